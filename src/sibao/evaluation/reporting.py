"""From rows to scores: the mean of every value with its interval, over all rows and for each group of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from sibao.core.types import Score
from sibao.evaluation.sample import Outcome
from sibao.evaluation.statistics import clustered_standard_error
from sibao.metrics._intervals import t_interval, two_sided_t, wilson

Chance = Callable[[str, Sequence[Outcome]], float | None]
How = Literal["wilson", "t", "clustered", "none"]
MIN_GROUP = 2
"""A group of fewer rows is in the total only."""


def means(outcomes: Sequence[Outcome], *, chance: Chance = lambda *_: None, grouped: Sequence[str] = ()) -> list[Score]:
    """The mean of each value over all rows, in the order that values first appear; then, for the values ``grouped``,
    ``name/group`` for each group of rows.

    A missing row counts in ``missing`` and in nothing else. Where every row is missing there is one score ``rows`` that
    is not a number.
    """
    out = _of(outcomes, "", chance)
    names = list(dict.fromkeys(o.sample.group for o in outcomes if o.sample.group))
    if grouped and len(names) > 1:
        for name in names:
            part = [o for o in outcomes if o.sample.group == name]
            if len(part) >= MIN_GROUP:
                out += [s for s in _of(part, f"/{name}", chance) if s.name.partition("/")[0] in grouped]
    return out


def _of(outcomes: Sequence[Outcome], suffix: str, chance: Chance) -> list[Score]:
    names = list(dict.fromkeys(name for o in outcomes if o.judged for name in o.judged.values))
    missing = sum(o.judged is None for o in outcomes)
    if not names:
        return [Score(f"rows{suffix}", math.nan, n=0, missing=missing, signature="nothing to score")]
    return [
        replace(mean_of(name, outcomes), name=name + suffix, missing=missing, chance=chance(name, outcomes))
        for name in names
    ]


def mean_of(name: str, outcomes: Sequence[Outcome], level: float = 0.95) -> Score:
    """The mean of one value over the rows that have it.

    Its interval: Wilson's where every value is 0 or 1, Student's t otherwise, and one from the clustered standard error
    (Miller 2024, arXiv 2411.00640) where rows share clusters.
    """
    found = [(o.judged.values[name], o.sample.cluster) for o in outcomes if o.judged and name in o.judged.values]
    values, clusters = [v for v, _ in found], [c for _, c in found]
    value = math.fsum(values) / len(values)
    low, high, how = interval_of(values, clusters, level)
    return Score(name, value, low, high, level, n=len(values), signature=f"interval:{how}")


def interval_of(
    values: Sequence[float], clusters: Sequence[str] = (), level: float = 0.95
) -> tuple[float | None, float | None, How]:
    """Both ends and the kind of the interval of a mean; see ``mean_of``. A single row has none."""
    if len(values) < 2:
        return None, None, "none"
    distinct = set(clusters)
    if "" not in distinct and 1 < len(distinct) < len(values):
        if set(values) in ({0.0}, {1.0}):  # no spread to measure: as many independent rows as there are clusters
            ends = wilson(len(distinct) * int(values[0]), len(distinct), level)
            return ends.low, ends.high, "wilson"
        mean = math.fsum(values) / len(values)
        half = two_sided_t(level, len(distinct) - 1) * clustered_standard_error(values, clusters)
        binary = set(values) <= {0.0, 1.0}
        low, high = mean - half, mean + half
        if half > 1e-9:  # clusters that are all alike, of rows that are not, say nothing of the spread: rows do
            return (max(0.0, low), min(1.0, high), "clustered") if binary else (low, high, "clustered")
    if set(values) <= {0.0, 1.0}:
        ends = wilson(round(sum(values)), len(values), level)
        return ends.low, ends.high, "wilson"
    spread = t_interval(values, level)
    return (None, None, "none") if spread is None else (spread.low, spread.high, "t")
