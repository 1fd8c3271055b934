"""Accuracy: the share of rows whose label is exactly one of the accepted ones, spaces around it aside."""

from __future__ import annotations

from collections.abc import Sequence

from sibao.core.types import Score
from sibao.metrics._intervals import wilson
from sibao.metrics.base import Case, Input, check_texts, reference_count, signature

NAME = "accuracy"
INPUT: Input = "text"
HIGHER_IS_BETTER = True
SCALE: float | None = 1.0
CITATION = "Interval: E. B. Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference."
CASES = (
    Case((["A"] * 8 + ["B"] * 2, [["A"]] * 10), 0.8, source="8 of 10"),
    Case(([" 是 ", "否"], [["是"], ["是", "对"]]), 0.5, source="spaces do not count, every accepted label does"),
    Case((["a"], [["A"]]), 0.0, source="letter case counts in a label"),
)


def per_row(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, language: str | None = None
) -> list[float]:
    """1.0 or 0.0 for every row. ``language`` makes no difference."""
    check_texts(hypotheses, references)
    return [
        float(hypothesis.strip() in {label.strip() for label in accepted})
        for hypothesis, accepted in zip(hypotheses, references, strict=True)
    ]


def score(hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, language: str | None = None) -> Score:
    """Share of right labels in 0..1 with Wilson's 95 % interval.

    Raises:
        BadInput: see ``base.check_texts``.
    """
    rows = per_row(hypotheses, references)
    right = round(sum(rows))
    interval = wilson(right, len(rows))
    how = signature(
        NAME, lang=language or "any", tok="none", unit="row", nrefs=reference_count(references), norm="strip",
        interval="wilson",
    )  # fmt: skip
    return Score(NAME, right / len(rows), interval.low, interval.high, n=len(rows), signature=how)
