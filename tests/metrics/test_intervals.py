"""Intervals against published quantiles and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sibao.core.errors import BadInput
from sibao.metrics._intervals import (
    bootstrap,
    percentile_interval,
    resample_weights,
    standard_error,
    t_interval,
    two_sided_t,
    two_sided_z,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 20, 0.0, 0.1611), (3127, 10042, 0.3024, 0.3205)]
)
def test_wilson_known_values(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_holds_the_rate_and_stays_inside(counts: tuple[int, int], level: float) -> None:
    successes, n = counts
    interval = wilson(successes, n, level)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1
    mirrored = wilson(n - successes, n, level)
    assert interval.low == pytest.approx(1 - mirrored.high, abs=1e-12)


@pytest.mark.parametrize("counts", [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(counts: tuple[int, int]) -> None:
    with pytest.raises(BadInput, match="wanted 0 <= successes <= trials"):
        wilson(*counts)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (10, 2.2281), (30, 2.0423)]
)
def test_t_quantile_against_the_table(freedom: int, quantile: float) -> None:
    assert two_sided_t(0.95, freedom) == pytest.approx(quantile, rel=2e-3)


def test_normal_quantile_and_bad_levels() -> None:
    assert two_sided_z(0.95) == pytest.approx(1.959964, abs=1e-6)
    for level in (0, 1, 95):
        with pytest.raises(BadInput, match="confidence level"):
            two_sided_z(level)


def test_standard_error_of_a_published_accuracy() -> None:
    values = [1.0] * 3127 + [0.0] * (10042 - 3127)
    assert standard_error(values) == pytest.approx(0.00462, abs=5e-6)
    with pytest.raises(BadInput, match="at least two"):
        standard_error([1.0])


def test_t_interval_of_two_values_by_hand() -> None:
    interval = t_interval([0.0, 1.0])
    assert interval is not None
    assert interval.high == pytest.approx(0.5 + 12.7062 * 0.5, abs=1e-3)
    assert t_interval([0.0, 1.0], bounds=(0.0, 1.0)) == (0.0, 1.0)
    assert t_interval([0.3]) is None


def test_resampling_draws_are_numpys_own() -> None:
    rng = np.random.default_rng(12345)
    wanted = rng.choice(2500, size=(2000, 2500), replace=True)  # more than one block
    got = np.concatenate(list(resample_weights(2500, 2000, 12345)))
    for row in (0, 1, 1599, 1600, 1601, 1999):
        assert np.array_equal(got[row], np.bincount(wanted[row], minlength=2500))


def test_bootstrap_spread_is_the_standard_error() -> None:
    """The spread of resampled values is the SE itself; dividing it by sqrt(resamples) again is a known mistake."""
    values = np.array([1.0] * 31 + [0.0] * 69)
    assert bootstrap(values).std() == pytest.approx(0.0465, abs=0.003)


def test_bootstrap_statistic_reads_sums() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    ratios = bootstrap(rows, lambda sums: sums[:, 0] / sums[:, 1], resamples=50)
    assert ratios.shape == (50,) and (ratios >= 0.5).all() and (ratios <= 5 / 6 + 1e-12).all()


@settings(max_examples=50)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.floats(-9, 9))
def test_percentile_interval_holds_the_value(samples: list[float], value: float) -> None:
    low, high = percentile_interval(np.array(samples), value)
    assert low <= value <= high
    assert math.isfinite(low) and math.isfinite(high)


def test_percentile_interval_of_samples_that_overflow() -> None:
    samples = np.array([1.0] * 50 + [2.0] * 40 + [math.inf] * 10)
    assert percentile_interval(samples, 2.0) == (1.0, math.inf)
    assert percentile_interval(np.array([math.inf] * 5), math.inf) == (math.inf, math.inf)
