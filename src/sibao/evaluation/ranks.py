"""Which rank could each model truly have? Ranges from simultaneous comparisons of all pairs.

With a test of every pair, adjusted for their number (``evaluation.multiple.holm``), the true rank of a model lies, all
ranges at once and at the stated level, between 1 + those that are better beyond doubt and n - those that are worse beyond
doubt (Mogstad, Romano, Shaikh and Wilhelm 2024, Inference for Ranks with Applications to Mobility across Neighbourhoods
and Academic Achievement across Countries, section 3). A pair that cannot be tested is told apart by nobody.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from sibao.evaluation.multiple import holm
from sibao.metrics._intervals import two_sided_z

LEVEL = 0.95


@dataclass(frozen=True)
class Measured:
    """A figure with its uncertainty. ``low``/``high`` are its interval of confidence ``level``; where a publisher writes
    ± without saying what it means, ``level`` is None and the ± is taken for one standard error."""

    value: float
    low: float | None = None
    high: float | None = None
    level: float | None = LEVEL

    @property
    def error(self) -> float | None:
        """Standard error that the interval implies, or None without one."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2 / (1.0 if self.level is None else two_sided_z(self.level))


@dataclass(frozen=True)
class RankRange:
    """The ranks from ``best`` to ``worst`` (1 is the first) that one of ``of`` models could truly have."""

    best: int
    worst: int
    of: int

    @property
    def could_be_first(self) -> bool:
        """Nobody is better beyond doubt."""
        return self.best == 1


Paired = Callable[[int, int], float | None]
"""The p-value of a paired test of two models by their places, or None where they share no rows."""


def rank_ranges(
    figures: Sequence[Measured],
    paired: Paired = lambda first, second: None,
    *,
    higher_is_better: bool = True,
    level: float = LEVEL,
) -> list[RankRange | None]:
    """Rank ranges of all models, in the order given.

    None ("unknown") for a model without an interval and without a paired test; it may stand anywhere among the others,
    whose ranges allow for that. One model alone has rank 1 of 1.
    """
    n = len(figures)
    pairs = list(itertools.combinations(range(n), 2))
    found = {pair: p_value(figures[pair[0]], figures[pair[1]], paired(*pair)) for pair in pairs}
    tested = {pair: p for pair, p in found.items() if p is not None}
    sure = {pair for pair, p in zip(tested, holm(list(tested.values())), strict=True) if p < 1 - level}
    above, below = [0] * n, [0] * n
    for first, second in sure:
        better, worse = _ordered(first, second, figures, higher_is_better)
        above[worse] += 1
        below[better] += 1
    known = {i for pair in tested for i in pair} | {i for i, one in enumerate(figures) if one.error is not None}
    return [RankRange(1 + above[i], n - below[i], n) if i in known or n == 1 else None for i in range(n)]


def p_value(first: Measured, second: Measured, paired: float | None = None) -> float | None:
    """Two-sided p of "the two are equal": the paired test's, else z = difference / sqrt(se² + se²) from both intervals;
    None where one of them has none."""
    if paired is not None:
        return paired
    errors = first.error, second.error
    if errors[0] is None or errors[1] is None:
        return None
    spread = math.hypot(errors[0], errors[1])
    difference = abs(first.value - second.value)
    if spread == 0:
        return 1.0 if difference == 0 else 0.0
    return min(1.0, 2 * (1 - NormalDist().cdf(difference / spread)))


def _ordered(first: int, second: int, figures: Sequence[Measured], higher_is_better: bool) -> tuple[int, int]:
    """(better, worse) of two models."""
    ahead = (figures[first].value > figures[second].value) == higher_is_better
    return (first, second) if ahead else (second, first)
