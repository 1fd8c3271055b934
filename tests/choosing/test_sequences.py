"""Betting: wealth is what its formula says, intervals hold at every moment at once, and peeking costs nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sibao.choosing.sequences import FRACTIONS, advance, interval, start
from sibao.core.errors import BadInput

values = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def test_wealth_is_the_mean_over_stakes_of_the_product_of_bets() -> None:
    gains = [0.5, -1.0, 1.0, 0.25]
    best, wealth = -math.inf, [1.0] * len(FRACTIONS)
    for gain in gains:
        wealth = [w * (1 + c * gain) for w, c in zip(wealth, FRACTIONS, strict=True)]
        best = max(best, math.log(sum(wealth) / len(wealth)))
    logs, top = advance(start(1), np.array([gains]))
    assert np.exp(logs[0]) == pytest.approx(wealth)
    assert top[0] == pytest.approx(best)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.integers(1, 29))
def test_it_does_not_matter_in_which_batches_values_come(gains: list[float], cut: int) -> None:
    whole, top = advance(start(1), np.array([gains]))
    first, before = advance(start(1), np.array([gains[:cut]]))
    both, after = advance(first, np.array([gains[cut:]]).reshape(1, -1))
    assert both == pytest.approx(whole)
    assert max(before[0], after[0]) == pytest.approx(top[0])


def test_a_false_claim_is_made_no_more_often_than_allowed_however_often_one_looks() -> None:
    rng, alpha, runs, rows = np.random.default_rng(1), 0.05, 1000, 600
    fair = rng.integers(0, 2, (runs, rows)) * 2.0 - 1  # differences of two equal models that never agree
    _, best = advance(start(runs), fair)
    assert (best >= math.log(1 / alpha)).mean() <= alpha
    # The same rows tell what a test made for one look would say when it looks after every tenth row.
    n = np.arange(10, rows + 1, 10)
    z = np.cumsum(fair, axis=1)[:, n - 1] / np.sqrt(n)
    assert (z.max(axis=1) > 1.645).mean() > 4 * alpha


def test_a_true_difference_is_found() -> None:
    rng = np.random.default_rng(2)
    rows = (rng.random((50, 1000)) < 0.8).astype(float) - (rng.random((50, 1000)) < 0.7)
    _, best = advance(start(50), rows)
    assert (best >= math.log(1 / 0.0025)).mean() > 0.9


def test_an_interval_holds_the_mean_at_every_moment_at_once() -> None:
    rng, runs, rows, mean = np.random.default_rng(3), 400, 300, 0.3
    drawn = (rng.random((runs, rows)) < mean).astype(float)
    limit = math.log(2 / 0.05)
    below = advance(start(runs), drawn / mean - 1)[1] >= limit
    above = advance(start(runs), (1 - drawn) / (1 - mean) - 1)[1] >= limit
    assert (below | above).mean() <= 0.05
    for row in range(40):  # the bisection finds the ends that these two tests speak of
        low, high = interval(drawn[row])
        assert (low > mean) == below[row] and (high < mean) == above[row]


@settings(max_examples=60, deadline=None)
@given(values)
def test_intervals_are_sane(found: list[float]) -> None:
    low, high = interval(found)
    mean = sum(found) / len(found)
    assert 0 <= low <= mean + 1e-9 and mean - 1e-9 <= high <= 1
    mirrored = interval([1 - v for v in found])
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high), abs=1e-9)
    wide = interval([10 * v - 5 for v in found], low=-5, high=5)
    assert wide == pytest.approx((10 * low - 5, 10 * high - 5), abs=1e-6)
    assert interval(found, 0.5).low >= low - 1e-12 and interval(found, 0.5).high <= high + 1e-12


def test_more_values_and_less_spread_narrow_it() -> None:
    assert interval([]) == (0.0, 1.0)
    few, many = interval([0, 1] * 10), interval([0, 1] * 500)
    assert many.high - many.low < 0.15 < few.high - few.low
    steady = interval([0.5] * 1000)
    assert steady.high - steady.low < 0.02  # betting sees that the values do not vary; a range-based bound would not
    assert interval([0.0] * 50).low == 0 and interval([1.0] * 50).high == 1


@pytest.mark.parametrize(
    ("found", "level", "message"), [([1.5], 0.95, "got values from 1.5"), ([0.5], 1.0, "confidence")]
)
def test_what_is_no_bounded_value_is_refused(found: list[float], level: float, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        interval(found, level)
