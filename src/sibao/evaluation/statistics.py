"""Is the difference real? Intervals, paired tests and the number of rows needed. numpy and the standard library only.

Rows of two systems are paired: row i of both answers the same question. A row is one value, or a line of sufficient
statistics (``metrics.bleu.row_statistics``) from which ``statistic`` (``metrics.bleu.from_sums``) makes a corpus score.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sibao.core.errors import BadInput
from sibao.metrics._intervals import (
    RESAMPLES,
    SEED,
    Floats,
    Interval,
    Statistic,
    bootstrap,
    percentile_interval,
    resample_weights,
    standard_error,
    t_interval,
    two_sided_z,
    wilson,
)

__all__ = [
    "Comparison",
    "Interval",
    "PairedBootstrap",
    "approximate_randomization",
    "bootstrap",
    "clustered_standard_error",
    "compare",
    "detectable_difference",
    "mcnemar_exact",
    "mean_interval",
    "paired_bootstrap",
    "percentile_interval",
    "sample_size",
    "sample_size_advice",
    "standard_error",
    "verdict_of",
    "wilson",
]

Verdict = Literal["better", "worse", "more", "less", "not distinguishable"]
"""``more`` and ``less``: of a figure that should neither rise nor fall."""
TRIALS = 10_000
_CELLS = 4_000_000  # swaps drawn at a time


@dataclass(frozen=True)
class PairedBootstrap:
    """Resampled difference of two corpus scores: the difference itself, its percentile interval and a two-sided p."""

    difference: float
    interval: Interval
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """System a against system b on the same rows.

    ``difference`` is a's score minus b's, ``low``/``high`` its interval at ``level``. ``verdict`` speaks of a
    and follows the p-value alone: at or above ``1 - level`` the two are not distinguishable on these ``n`` rows.
    """

    difference: float
    low: float
    high: float
    level: float
    p_value: float
    verdict: Verdict
    test: str
    n: int


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's t interval of a mean (not a bootstrap: it needs no seed and says the same at once).

    Raises:
        BadInput: fewer than two values.
    """
    interval = t_interval(values, level)
    if interval is None:
        raise BadInput("got 1 value, an interval needs at least two")
    return interval


def clustered_standard_error(values: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Standard error of a mean whose rows come in groups (questions on one passage), which are not independent.

    sqrt(C / (C - 1) * sum over clusters of (sum of deviations)^2) / n; equal to ``standard_error`` when every row is a
    cluster of its own (Miller 2024, arXiv 2411.00640).

    Raises:
        BadInput: lengths that differ, or fewer than two clusters.
    """
    array = _rows(values, "values")
    if len(clusters) != len(array):
        raise BadInput(f"got {len(array)} values and {len(clusters)} cluster names, wanted as many of each")
    totals: dict[Hashable, float] = {}
    for cluster, deviation in zip(clusters, (array - array.mean()).tolist(), strict=True):
        totals[cluster] = totals.get(cluster, 0.0) + deviation
    count = len(totals)
    if count < 2:
        raise BadInput(f"got {count} cluster, a clustered error needs at least two")
    return math.sqrt(count / (count - 1) * math.fsum(total**2 for total in totals.values())) / len(array)


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided exact p of McNemar's test (the sign test): b rows only the first got right, c only the second.

    Raises:
        BadInput: a negative count.
    """
    if b < 0 or c < 0:
        raise BadInput(f"got counts {b} and {c}, wanted none or more")
    n, term, tail = b + c, 1, 1
    for k in range(1, min(b, c) + 1):
        term = term * (n - k + 1) // k
        tail += term
    return min(1.0, 2 * tail / 2**n)


def approximate_randomization(
    a: ArrayLike, b: ArrayLike, *, statistic: Statistic | None = None, trials: int = TRIALS, seed: int = SEED
) -> float:
    """Two-sided p of "the labels a and b could be swapped on any row": (c + 1) / (trials + 1).

    c counts the trials, each with every row swapped or not at even odds, whose difference is at least the real one
    (Riezler and Maxwell 2005). Rows as in the head of this file.

    Raises:
        BadInput: shapes that differ, no rows, or values that are not finite.
    """
    first, second, score = _pair(a, b, statistic)
    total_a, total_b, change = first.sum(axis=0), second.sum(axis=0), second - first
    real = abs(float((score(total_a[None]) - score(total_b[None]))[0]))
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // len(first))
    reached = 0
    for start in range(0, trials, block):
        swaps = rng.integers(0, 2, size=(min(block, trials - start), len(first)), dtype=np.int8)
        moved = swaps.astype(np.float64) @ change
        differences = np.abs(score(total_a + moved) - score(total_b - moved))
        # Sums in another order differ in the last bits; equal differences must count as equal.
        reached += int((differences >= real - 1e-9 * max(1.0, real)).sum())
    return (reached + 1) / (trials + 1)


def paired_bootstrap(
    a_rows: ArrayLike,
    b_rows: ArrayLike,
    *,
    statistic: Statistic | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    level: float = 0.95,
) -> PairedBootstrap:
    """Difference a - b over resamples of the rows (Koehn 2004), both systems on the same draws.

    p is the share of resamples whose difference strays from their mean by at least the real one, as in sacrebleu.

    Raises:
        BadInput: shapes that differ, no rows, or values that are not finite.
    """
    first, second, score = _pair(a_rows, b_rows, statistic)
    real = float((score(first.sum(axis=0)[None]) - score(second.sum(axis=0)[None]))[0])
    differences = np.concatenate(
        [score(weights @ first) - score(weights @ second) for weights in resample_weights(len(first), resamples, seed)]
    )
    strays = np.abs(differences - differences.mean()) >= abs(real) - 1e-9 * max(1.0, abs(real))
    p_value = (int(strays.sum()) + 1) / (resamples + 1)
    return PairedBootstrap(real, percentile_interval(differences, real, level), p_value)


def compare(
    a_rows: ArrayLike,
    b_rows: ArrayLike,
    *,
    statistic: Statistic | None = None,
    higher_is_better: bool = True,
    level: float = 0.95,
    seed: int = SEED,
) -> Comparison:
    """Compare system a with system b (the baseline) row by row.

    Right-or-wrong rows (0 and 1) get the exact McNemar test, all others approximate randomization. The interval of the
    difference is Student's t over paired differences, or the paired bootstrap where ``statistic`` makes the score.

    Raises:
        BadInput: shapes that differ, fewer than two rows, or values that are not finite (leave missing rows out).
    """
    first, second, _ = _pair(a_rows, b_rows, statistic)
    if len(first) < 2:
        raise BadInput("got 1 row, a comparison needs at least two", hint="evaluate both systems on more rows")
    if statistic is not None:
        resampled = paired_bootstrap(a_rows, b_rows, statistic=statistic, seed=seed, level=level)
        difference, interval = resampled.difference, resampled.interval
    else:
        differences = (first - second)[:, 0]
        difference, interval = math.fsum(differences) / len(differences), mean_interval(differences.tolist(), level)
    if statistic is None and bool(np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all()):
        test = "exact McNemar"
        p_value = mcnemar_exact(int((first > second).sum()), int((first < second).sum()))
    else:
        test = f"approximate randomization, {TRIALS} trials, seed {seed}"
        p_value = approximate_randomization(a_rows, b_rows, statistic=statistic, seed=seed)
    gain = difference if higher_is_better else -difference
    return Comparison(
        difference, interval.low, interval.high, level, p_value, verdict_of(gain, p_value, level), test, len(first)
    )


def sample_size(variance: float, difference: float, power: float = 0.8, level: float = 0.95) -> int:
    """Rows needed to see a mean paired difference: (z_level + z_power)^2 variance / difference^2 (Miller 2024).

    Args:
        variance: of the per-row difference of the two systems.
        difference: the smallest one worth seeing.
        power: how often a real difference of that size should be found.
        level: one minus the false alarms allowed.

    Raises:
        BadInput: a variance below 0, no difference, or a power outside 0..1.
    """
    if variance < 0 or difference == 0 or not 0 < power < 1:
        raise BadInput(
            f"got variance {variance}, difference {difference}, power {power}; "
            "wanted variance >= 0, a difference other than 0 and 0 < power < 1"
        )
    z = two_sided_z(level) + NormalDist().inv_cdf(power)
    return max(2, math.ceil(z**2 * variance / difference**2))


def sample_size_advice(
    p: float, difference: float, power: float = 0.8, *, level: float = 0.95, correlation: float = 0.5
) -> int:
    """Rows needed to tell two systems apart that are right with rates ``p`` and ``p + difference`` on the same rows.

    ``correlation`` is that of the two systems' right-or-wrong rows: 0.5 is common for two models of one kind; 0 is the
    cautious choice.

    Raises:
        BadInput: rates outside 0..1 or a correlation outside -1..1; see also ``sample_size``.
    """
    other = p + difference
    if not (0 <= p <= 1 and 0 <= other <= 1 and -1 <= correlation <= 1):
        raise BadInput(f"got rates {p} and {other} and correlation {correlation}, wanted 0..1, 0..1 and -1..1")
    first, second = p * (1 - p), other * (1 - other)
    return sample_size(first + second - 2 * correlation * math.sqrt(first * second), difference, power, level)


def detectable_difference(
    rows: int, p: float = 0.5, power: float = 0.8, *, level: float = 0.95, correlation: float = 0.5
) -> float:
    """The smallest difference of two systems' rates of right rows that so many rows show with that power: what
    ``sample_size_advice`` says, asked the other way round, with the spread of the rate ``p`` for both (0.5: the widest).

    Raises:
        BadInput: no rows, a rate outside 0..1 or a correlation outside -1..1.
    """
    if rows < 1 or not (0 <= p <= 1 and -1 <= correlation <= 1 and 0 < power < 1):
        raise BadInput(f"got {rows} rows, rate {p}, power {power} and correlation {correlation}")
    z = two_sided_z(level) + NormalDist().inv_cdf(power)
    return min(1.0, z * math.sqrt(2 * p * (1 - p) * (1 - correlation) / rows))


def verdict_of(gain: float, p_value: float, level: float) -> Verdict:
    """What a gain with its p-value amounts to."""
    if p_value >= 1 - level or gain == 0:
        return "not distinguishable"
    return "better" if gain > 0 else "worse"


def _rows(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise BadInput(f"got no rows in {name}, wanted at least one")
    if not np.isfinite(array).all():
        raise BadInput(f"{name} hold a value that is not finite", hint="leave rows without a score out of both systems")
    return array


def _pair(a: ArrayLike, b: ArrayLike, statistic: Statistic | None) -> tuple[Floats, Floats, Statistic]:
    first, second = _rows(a, "rows of a"), _rows(b, "rows of b")
    if first.shape != second.shape:
        raise BadInput(
            f"got rows of shape {first.shape} and {second.shape}, wanted the same rows for both systems",
            hint="score both systems on the rows that both answered",
        )
    if (first.ndim != 1) if statistic is None else (first.ndim != 2):
        raise BadInput(
            f"got rows with {first.ndim} dimensions, wanted {1 if statistic is None else 2}",
            hint="plain values go without a statistic, sufficient statistics with one",
        )
    n = len(first)
    return first.reshape(n, -1), second.reshape(n, -1), statistic or (lambda sums: sums[:, 0] / n)
