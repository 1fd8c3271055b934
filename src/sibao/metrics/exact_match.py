"""Exact match of short answers after SQuAD v1.1 (English) or CMRC 2018 (Chinese) normalisation; best of several."""

from __future__ import annotations

from collections.abc import Sequence

from sibao.core.types import Score
from sibao.metrics import _answers
from sibao.metrics._intervals import wilson
from sibao.metrics.base import Case, Input, check_texts, reference_count, resolve_language, signature

NAME = "exact_match"
INPUT: Input = "text"
HIGHER_IS_BETTER = True
SCALE: float | None = 1.0
CITATION = _answers.CITATION
CASES = (
    Case((["The Denver Broncos!"], [["Denver Broncos"]]), 1.0, source="articles, case and punctuation do not count"),
    Case((["Denver", "1999"], [["Denver Broncos"], ["2000", "1999"]]), 0.5, source="any accepted answer"),
    Case((["《红楼梦》。", "曹雪芹写的"], [["红楼梦"], ["曹雪芹"]]), 0.5, source="CMRC drops Chinese punctuation"),
)


def per_row(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, language: str | None = None
) -> list[float]:
    """1.0 or 0.0 for every row."""
    check_texts(hypotheses, references)
    lang = resolve_language(language, references)
    return _answers.best_of(
        hypotheses,
        references,
        lambda hypothesis, answer: float(_answers.normalize(hypothesis, lang) == _answers.normalize(answer, lang)),
    )


def score(hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, language: str | None = None) -> Score:
    """Share of matching answers in 0..1 with Wilson's 95 % interval. Without ``language`` the references decide.

    Raises:
        BadInput: see ``base.check_texts`` and ``base.resolve_language``.
    """
    rows = per_row(hypotheses, references, language=language)
    right = round(sum(rows))
    interval = wilson(right, len(rows))
    lang = resolve_language(language, references)
    how = signature(
        NAME, lang=lang, tok="none", unit="row", nrefs=reference_count(references), norm=_answers.NORMS[lang],
        interval="wilson",
    )  # fmt: skip
    return Score(NAME, right / len(rows), interval.low, interval.high, n=len(rows), signature=how)
