"""Two sets of outcomes of the same samples, value by value: the paired tests of ``evaluation.statistics``."""

from __future__ import annotations

from collections.abc import Sequence

from sibao.evaluation.sample import Outcome
from sibao.evaluation.statistics import Comparison, compare


def compare_outcomes(
    first: Sequence[Outcome], second: Sequence[Outcome], *, higher_is_better: bool = True
) -> dict[str, Comparison]:
    """First minus second for each value, over the samples (by id) that both answered; fewer than two of them give none."""
    others = {o.sample.id: o.judged.values for o in second if o.judged is not None}
    pairs: dict[str, tuple[list[float], list[float]]] = {}
    for outcome in first:
        theirs = others.get(outcome.sample.id)
        if outcome.judged is None or theirs is None:
            continue
        for name, value in outcome.judged.values.items():
            if name in theirs:
                a, b = pairs.setdefault(name, ([], []))
                a.append(value)
                b.append(theirs[name])
    return {name: compare(a, b, higher_is_better=higher_is_better) for name, (a, b) in pairs.items() if len(a) > 1}
