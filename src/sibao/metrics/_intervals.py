"""Intervals and resampling that metrics and ``evaluation.statistics`` share. numpy and the standard library only.

Legend: N rows, K numbers per row, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sibao.core.errors import BadInput

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""A corpus score from column sums: [R, K] in, [R] out."""

RESAMPLES = 1000
SEED = 12345
"""sacrebleu's defaults, so that its intervals can be reproduced."""
_CELLS = 4_000_000  # resample weights held at a time: 32 MB


class Interval(NamedTuple):
    """Both ends of a confidence interval."""

    low: float
    high: float


def two_sided_z(level: float) -> float:
    """The normal quantile that leaves ``(1 - level) / 2`` on either side (1.96 for 0.95).

    Raises:
        BadInput: a level outside 0..1.
    """
    if not 0 < level < 1:
        raise BadInput(f"got confidence level {level}, wanted a number between 0 and 1", hint="0.95 is the usual one")
    return NormalDist().inv_cdf((1 + level) / 2)


def two_sided_t(level: float, freedom: int) -> float:
    """Student's t quantile: exact for 1 and 2 degrees of freedom, else within 0.2 % (Cornish-Fisher, A&S 26.7.5)."""
    z = two_sided_z(level)
    if freedom == 1:
        return math.tan(math.pi * level / 2)
    if freedom == 2:
        return level * math.sqrt(2 / (1 - level**2))
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion; sensible at 0 and at n, where the normal one has no width.

    Raises:
        BadInput: ``n`` below 1 or successes outside 0..n.
    """
    if n < 1 or not 0 <= successes <= n:
        raise BadInput(f"got {successes} successes in {n} trials, wanted 0 <= successes <= trials, trials >= 1")
    z = two_sided_z(level)
    p = successes / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # Rounding may push an end a hair past p when p is 0 or 1.
    return Interval(max(0.0, min(p, (centre - half) / scale)), min(1.0, max(p, (centre + half) / scale)))


def standard_error(values: Sequence[float] | Floats) -> float:
    """sqrt(sum((s - mean)^2) / (n (n - 1))) (Miller 2024, arXiv 2411.00640).

    Raises:
        BadInput: fewer than two values.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        raise BadInput(f"got {array.size} values, a standard error needs at least two")
    return float(array.std(ddof=1) / math.sqrt(array.size))


def t_interval(
    values: Sequence[float] | Floats, level: float = 0.95, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> Interval | None:
    """Mean ± t·SE, cut at ``bounds``; None for a single value, whose spread is unknown."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    half = two_sided_t(level, len(values) - 1) * standard_error(values)
    return Interval(min(mean, max(bounds[0], mean - half)), max(mean, min(bounds[1], mean + half)))


def resample_weights(n: int, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[Floats]:
    """Blocks [r, N] that count how often each row is drawn; together R resamples of N rows with replacement.

    The draws are those of ``numpy.random.default_rng(seed).choice(n, (resamples, n))``, which sacrebleu makes.
    """
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // n)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.choice(n, size=(rows, n), replace=True) + np.arange(rows)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def bootstrap(
    rows: Floats, statistic: Statistic | None = None, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Floats:
    """The score of every resample, [R].

    Args:
        rows: [N] values, or [N, K] sufficient statistics that add up over rows.
        statistic: the score from column sums; None for the mean of [N] values.
    """
    table = rows.reshape(len(rows), -1)
    sums = np.concatenate([weights @ table for weights in resample_weights(len(rows), resamples, seed)])
    return statistic(sums) if statistic else sums[:, 0] / len(rows)


def percentile_interval(samples: Floats, value: float, level: float = 0.95) -> Interval:
    """The middle ``level`` of the resampled scores, widened to hold ``value`` itself where the resamples are skewed."""
    # Between a number and infinity (perplexities of hopeless resamples) nothing can be interpolated.
    method: Literal["linear", "nearest"] = "linear" if np.isfinite(samples).all() else "nearest"
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], method=method)
    return Interval(min(value, float(low)), max(value, float(high)))
