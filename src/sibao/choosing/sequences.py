"""Always-valid inference on bounded values by betting: look after every row, stop when you like, the level still holds.

A gambler stakes a share c of her wealth on "the next value lies above m". Where the mean is m or less, her wealth is a
non-negative supermartingale, so it ever reaches 1/alpha with a probability of alpha at most (Ville 1939). Wealth is averaged
over the shares ``FRACTIONS``, which needs no guess of the right one (Waudby-Smith and Ramdas 2023, arXiv 2010.09686: the
hedged capital of section 4.3, with the mixture over bets of its appendix B.7 in place of a predicted bet).

Values are independent draws; a difference of two models on one row is one value. Legend: N values, G shares, P sequences.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sibao.core.errors import BadInput

Floats = NDArray[np.float64]
FRACTIONS: Floats = np.geomspace(0.01, 0.98, 24)
"""Shares of the wealth at stake, [G]. Small ones find small differences among many rows, large ones large differences soon."""
_STEPS = 48
"""Halvings of [0, 1] that find an end of an interval, to 2^-48."""


class Bounds(NamedTuple):
    """Both ends of an always-valid interval."""

    low: float
    high: float


def advance(wealth: Floats, gains: Floats) -> tuple[Floats, Floats]:
    """Bet on further values.

    Args:
        wealth: [P, G] log-wealth of each share so far (zeros at the start).
        gains: [P, N] what a stake of 1 wins at each value, at least -1: a difference in [-1, 1] tests "its mean is 0 or
            less", ``x / m - 1`` tests "the mean of x in [0, 1] is m or less".

    Returns:
        [P, G] log-wealth afterwards; [P] the greatest log of the mean wealth on the way, to be held against log(1 / alpha).
    """
    if gains.shape[1] == 0:
        return wealth, np.full(len(wealth), -np.inf)
    path = wealth[:, None, :] + np.cumsum(np.log1p(gains[:, :, None] * FRACTIONS), axis=1)
    top = path.max(axis=2)
    mean = top + np.log(np.exp(path - top[:, :, None]).mean(axis=2))
    return path[:, -1, :], mean.max(axis=1)


def start(sequences: int) -> Floats:
    """The log-wealth before any value, [P, G]."""
    return np.zeros((sequences, len(FRACTIONS)))


def interval(values: ArrayLike, level: float = 0.95, low: float = 0.0, high: float = 1.0) -> Bounds:
    """An interval that holds the mean after every value at once, with probability ``level`` at least, [N] -> two ends.

    Each end has half of the error. No values give the whole range.

    Raises:
        BadInput: a value outside [low, high], or a level outside 0..1.
    """
    array = np.asarray(values, dtype=np.float64)
    if not 0 < level < 1:
        raise BadInput(f"got confidence level {level}, wanted a number between 0 and 1", hint="0.95 is the usual one")
    if array.size and not (low <= array.min() and array.max() <= high):
        raise BadInput(f"got values from {array.min():.4g} to {array.max():.4g}, wanted {low:g} to {high:g}")
    unit, limit = (array - low) / (high - low), math.log(2 / (1 - level))
    below, above = _excluded(unit, limit), 1 - _excluded(1 - unit, limit)
    if below > above:  # every mean is excluded, which happens with the probability of the error at most
        below = above = float(unit.mean())
    return Bounds(low + below * (high - low), low + above * (high - low))


def _excluded(unit: Floats, limit: float) -> float:
    """The largest m whose hypothesis "the mean is m or less" was ever refused; wealth falls as m grows."""
    if unit.size == 0 or unit.max() == 0:
        return 0.0
    refused, kept = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (refused + kept) / 2
        best = advance(start(1), (unit / middle - 1)[None, :])[1]
        refused, kept = (middle, kept) if best[0] >= limit else (refused, middle)
    return refused
