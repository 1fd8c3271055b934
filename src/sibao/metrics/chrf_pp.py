"""chrF++ through sacrebleu: chrF with word n-grams of 1 and 2. On Chinese a word is what stands between spaces."""

from __future__ import annotations

from collections.abc import Sequence

from sibao.core.types import Score
from sibao.metrics import _chrf
from sibao.metrics._chrf import from_sums as from_sums
from sibao.metrics._intervals import Floats
from sibao.metrics.base import Case, Input
from sibao.metrics.bleu import DOG, WALK

NAME = "chrf_pp"
INPUT: Input = "text"
HIGHER_IS_BETTER = True
SCALE: float | None = 100.0
CITATION = "Popovic (2017), chrF++: words helping character n-grams; Post (2018), sacrebleu."
WORD_ORDER = 2
_MEASURED = "computed with sacrebleu 2.6.0"
CASES = (
    Case(DOG, 59.15, {"language": "en"}, _MEASURED, 5e-3),
    Case(WALK, 38.35, {"language": "zh"}, _MEASURED, 5e-3),
)


def row_statistics(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, language: str | None = None
) -> Floats:
    """Counts per row for ``from_sums``; what a paired test of two systems needs. ``language`` makes no difference."""
    return _chrf.row_statistics(hypotheses, references, WORD_ORDER)


def per_row(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, language: str | None = None
) -> list[float]:
    """Sentence score in 0..100. The corpus score is not the mean of these."""
    return from_sums(_chrf.row_statistics(hypotheses, references, WORD_ORDER)).tolist()


def score(hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, language: str | None = None) -> Score:
    """Corpus score in 0..100 with a 95 % bootstrap interval.

    Raises:
        BadInput: see ``base.check_texts``.
    """
    return _chrf.score(NAME, hypotheses, references, language, WORD_ORDER)
