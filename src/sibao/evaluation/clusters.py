"""Rows that come in clusters (questions on one passage) are not independent: intervals and tests that take the clusters, not
the rows, as what was drawn (Miller 2024, arXiv 2411.00640)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from sibao.core.types import Score
from sibao.evaluation.reporting import interval_of
from sibao.evaluation.statistics import (
    TRIALS,
    Comparison,
    approximate_randomization,
    clustered_standard_error,
    compare,
    paired_bootstrap,
    verdict_of,
)
from sibao.metrics._intervals import SEED, Floats, Interval, Statistic, two_sided_t


def in_clusters(clusters: Sequence[str]) -> bool:
    """Whether every row has a cluster, there are at least two of them, and some hold several rows."""
    distinct = set(clusters)
    return "" not in distinct and 1 < len(distinct) < len(clusters)


def clustered(score: Score, values: Sequence[float], clusters: Sequence[str], scale: float | None = None) -> Score:
    """A mean's score with the interval of its clusters in place of one that takes rows as independent; the signature says
    so. It keeps to 0..``scale``, where there is one. Without clusters the score stays as it is."""
    if not in_clusters(clusters):
        return score
    low, high, how = interval_of(values, clusters, score.level)
    if low is not None and high is not None and scale is not None:
        low, high = max(0.0, low), min(scale, high)
    signature = re.sub(r"(?<=\|)interval:[^|]*", f"interval:{how}", score.signature)
    return replace(score, low=low, high=high, signature=signature)


def compare_clustered(
    a_rows: ArrayLike,
    b_rows: ArrayLike,
    clusters: Sequence[str],
    *,
    statistic: Statistic | None = None,
    higher_is_better: bool = True,
    level: float = 0.95,
    seed: int = SEED,
) -> Comparison:
    """``statistics.compare`` for rows in clusters: approximate randomization swaps whole clusters, the interval comes from
    the clustered standard error of the differences, or from the paired bootstrap over clusters where ``statistic`` makes the
    score. Without clusters the rows are compared as they are.

    Raises:
        BadInput: see ``statistics.compare``.
    """
    if not in_clusters(clusters):
        return compare(a_rows, b_rows, statistic=statistic, higher_is_better=higher_is_better, level=level, seed=seed)
    a, b = np.asarray(a_rows, dtype=np.float64), np.asarray(b_rows, dtype=np.float64)
    first, second = sums(a, clusters), sums(b, clusters)
    score = statistic or (lambda totals: totals[:, 0] / len(clusters))
    p_value = approximate_randomization(first, second, statistic=score, seed=seed)
    if statistic is None:
        difference, interval = math.fsum(a - b) / len(a), _of_differences((a - b).tolist(), clusters, level)
    else:
        resampled = paired_bootstrap(first, second, statistic=statistic, seed=seed, level=level)
        difference, interval = resampled.difference, resampled.interval
    test = f"approximate randomization of {len(first)} clusters, {TRIALS} trials, seed {seed}"
    verdict = verdict_of(difference if higher_is_better else -difference, p_value, level)
    return Comparison(difference, interval.low, interval.high, level, p_value, verdict, test, len(a))


def sums(rows: Floats, clusters: Sequence[str]) -> Floats:
    """The rows (values, or lines of sufficient statistics) of each cluster added up, in the order clusters first appear."""
    places = {name: place for place, name in enumerate(dict.fromkeys(clusters))}
    totals = np.zeros((len(places), rows.reshape(len(rows), -1).shape[1]))
    np.add.at(totals, [places[name] for name in clusters], rows.reshape(len(rows), -1))
    return totals


def _of_differences(differences: Sequence[float], clusters: Sequence[str], level: float) -> Interval:
    mean = math.fsum(differences) / len(differences)
    half = two_sided_t(level, len(set(clusters)) - 1) * clustered_standard_error(differences, clusters)
    return Interval(mean - half, mean + half)
