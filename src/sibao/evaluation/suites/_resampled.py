"""Scores that are no mean of rows: a ratio of sums, with the percentile interval of a bootstrap over groups of rows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from sibao.core.types import Score
from sibao.metrics._intervals import RESAMPLES, SEED, Floats, Statistic, bootstrap, percentile_interval

LEVEL = 0.95


def resampled(
    name: str,
    rows: Sequence[Sequence[float]],
    groups: Sequence[Hashable],
    statistic: Statistic,
    *,
    missing: int = 0,
    chance: float | None = None,
    note: str = "",
) -> Score:
    """A score made of column sums.

    Args:
        rows: [N, K] numbers that add up over rows.
        groups: what each row belongs to (a template, a word); whole groups are drawn, for their rows are not independent.
        statistic: the score from sums, [R, K] in, [R] out.
        note: convention, for the signature.
    """
    totals: dict[Hashable, Floats] = {}
    single = np.asarray(rows, dtype=np.float64)
    for group, row in zip(groups, single, strict=True):
        totals[group] = totals[group] + row if group in totals else row
    table, what = np.stack(list(totals.values())), "groups"
    value = float(statistic(single.sum(axis=0, keepdims=True))[0])
    how, low, high = "interval:none", None, None
    if len(table) > 1:
        draws = bootstrap(table, statistic)
        if len(table) < len(single) and not np.ptp(draws) > 0:  # groups that are all alike: no spread is no certainty
            draws, table, what = bootstrap(single, statistic), single, "rows"
        low, high = percentile_interval(draws, value, LEVEL)
        how = f"interval:bootstrap.{RESAMPLES}.{what}{len(table)}.seed{SEED}"
    signature = "|".join(part for part in (note, how) if part)
    return Score(name, value, low, high, LEVEL, len(rows), missing, chance, signature)
