"""chrF2 through sacrebleu: character n-grams of 1 to 6, recall weighted twice, no spaces; for every language."""

from __future__ import annotations

from collections.abc import Sequence

from sibao.core.types import Score
from sibao.metrics import _chrf
from sibao.metrics._chrf import from_sums as from_sums
from sibao.metrics._intervals import Floats
from sibao.metrics.base import Case, Input
from sibao.metrics.bleu import DOG, WALK

NAME = "chrf"
INPUT: Input = "text"
HIGHER_IS_BETTER = True
SCALE: float | None = 100.0
CITATION = "Popovic (2015), chrF: character n-gram F-score for automatic MT evaluation; Post (2018), sacrebleu."
WORD_ORDER = 0
_MEASURED = "computed with sacrebleu 2.6.0"
CASES = (
    Case(DOG, 59.73, {"language": "en"}, _MEASURED, 5e-3),
    Case(WALK, 44.74, {"language": "zh"}, _MEASURED, 5e-3),
    Case((["a b c"], [["abc"]]), 100.0, source="sacrebleu test/test_chrf.py, effective order"),
    Case((["", "ab"], [["reference"], ["cd"]]), 0.0, source="sacrebleu test/test_chrf.py, effective order"),
    Case((["a", "b"], [["a"], ["c"]]), 50.0, source="sacrebleu test/test_chrf.py, effective order"),
    Case((["aa"], [["ab"]]), 25.0, source="sacrebleu test/test_chrf.py, effective order"),
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
