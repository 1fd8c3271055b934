"""ROUGE-2: shared pairs of words in English, of characters or jieba words in Chinese."""

from __future__ import annotations

from collections.abc import Sequence

from sibao.core.types import Score
from sibao.metrics import _rouge
from sibao.metrics._rouge import FOX, PAIR, Unit
from sibao.metrics.base import Case, Input

NAME = "rouge2"
INPUT: Input = "text"
HIGHER_IS_BETTER = True
SCALE: float | None = 1.0
CITATION = _rouge.CITATION
CASES = (
    Case(PAIR, 0.6897, source="measured"),
    Case(PAIR, 0.5, {"unit": "word"}, "measured with jieba 0.42.1"),
    Case(FOX, 0.2667, {"language": "en"}, "rouge_score 0.1.2; stemming changes nothing in this pair"),
)


def per_row(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    language: str | None = None,
    unit: Unit | None = None,
) -> list[float]:
    """F1 in 0..1 of every row against its best reference."""
    return _rouge.per_row(_rouge.ngram_f1(2), hypotheses, references, language, unit)


def score(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    language: str | None = None,
    unit: Unit | None = None,
) -> Score:
    """Mean F1 in 0..1 with a 95 % t interval. Without ``language`` the references decide.

    Args:
        hypotheses: one text per row.
        references: the accepted texts of each row.
        language: ``zh`` or ``en``.
        unit: ``char`` (default for Chinese) or ``word`` (jieba for Chinese; the only one for English).

    Raises:
        BadInput: see ``base.check_texts`` and ``base.resolve_language``; a unit the language does not have.
    """
    rows = per_row(hypotheses, references, language=language, unit=unit)
    return _rouge.score(NAME, rows, references, language, unit)
