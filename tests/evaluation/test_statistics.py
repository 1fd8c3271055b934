"""Paired tests and errors against published values, closed forms and their own error rates."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.core.errors import BadInput
from sibao.evaluation.statistics import (
    approximate_randomization,
    clustered_standard_error,
    compare,
    detectable_difference,
    mcnemar_exact,
    mean_interval,
    paired_bootstrap,
    sample_size,
    sample_size_advice,
    standard_error,
    wilson,
)
from sibao.metrics import bleu, chrf


@pytest.mark.parametrize(("b", "c", "p"), [(9, 2, 0.0654), (9, 0, 0.0039), (0, 0, 1.0), (5, 5, 1.0), (2, 9, 0.0654)])
def test_mcnemar_known_values(b: int, c: int, p: float) -> None:
    assert mcnemar_exact(b, c) == pytest.approx(p, abs=5e-5)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_tail(b: int, c: int) -> None:
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    assert mcnemar_exact(b, c) == pytest.approx(min(1.0, 2 * tail), rel=1e-12)
    assert mcnemar_exact(b, c) == mcnemar_exact(c, b)


def test_mcnemar_of_many_rows_is_exact_and_fast() -> None:
    start = time.process_time()
    assert mcnemar_exact(5000, 5000) == 1.0
    assert 0 < mcnemar_exact(4800, 5200) < 0.001
    assert time.process_time() - start < 1.0
    with pytest.raises(BadInput, match="wanted none or more"):
        mcnemar_exact(-1, 3)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=30))
def test_rows_that_are_their_own_cluster(values: list[float]) -> None:
    assert clustered_standard_error(values, range(len(values))) == pytest.approx(standard_error(values), abs=1e-12)


def test_copies_of_a_row_add_nothing() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    copied = [value for value in values for _ in range(4)]
    clusters = [row for row in range(6) for _ in range(4)]
    assert clustered_standard_error(copied, clusters) == pytest.approx(standard_error(values))
    assert standard_error(copied) < standard_error(values) / 1.8
    with pytest.raises(BadInput, match="at least two"):
        clustered_standard_error([1.0, 2.0], ["a", "a"])
    with pytest.raises(BadInput, match="2 values and 1 cluster names"):
        clustered_standard_error([1.0, 2.0], ["a"])


def test_mean_interval_covers_at_its_level() -> None:
    rng = np.random.default_rng(5)
    hits = sum(low <= 0.0 <= high for low, high in (mean_interval(rng.normal(size=12)) for _ in range(1000)))
    assert 930 <= hits <= 970
    with pytest.raises(BadInput, match="at least two"):
        mean_interval([1.0])


def test_randomization_against_all_swaps() -> None:
    """With ten rows all 1,024 swaps can be counted."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.5, 1, 10), rng.normal(0, 1, 10)
    signs = 1 - 2 * ((np.arange(1024)[:, None] >> np.arange(10)) & 1)
    exact = float((np.abs(signs @ (a - b)) >= abs((a - b).sum()) - 1e-9).mean())
    assert approximate_randomization(a, b) == pytest.approx(exact, abs=0.02)


def test_randomization_limits() -> None:
    same = np.ones(50)
    assert approximate_randomization(same, same) == 1.0
    assert approximate_randomization(same, same * 0) == pytest.approx(1 / 10001)


def test_randomization_keeps_its_false_alarm_rate() -> None:
    rng = np.random.default_rng(2)
    alarms = sum(
        approximate_randomization(rng.normal(size=30), rng.normal(size=30), trials=400) < 0.05 for _ in range(400)
    )
    assert 6 <= alarms <= 34


def test_paired_bootstrap_uses_the_pairing() -> None:
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 5, 200)
    result = paired_bootstrap(hard + rng.normal(0.3, 0.5, 200), hard)
    assert result.interval.low > 0.15 and result.interval.high < 0.45
    assert result.p_value == pytest.approx(1 / 1001)


def test_compare_right_or_wrong_rows() -> None:
    a = [1] * 9 + [0] * 2 + [1] * 40
    b = [0] * 9 + [1] * 2 + [1] * 40
    result = compare(a, b)
    assert result.test == "exact McNemar" and result.p_value == pytest.approx(0.0654, abs=5e-5)
    assert result.verdict == "not distinguishable" and result.n == 51
    assert result.difference == pytest.approx(7 / 51) and result.low < result.difference < result.high
    assert compare(a, b, level=0.9).verdict == "better"


def test_compare_turns_with_direction_and_order() -> None:
    rng = np.random.default_rng(4)
    base = rng.normal(0, 1, 300)
    better = base + rng.normal(0.4, 0.5, 300)
    result = compare(better, base)
    assert (result.verdict, result.test.split(",")[0]) == ("better", "approximate randomization")
    assert compare(base, better).verdict == "worse"
    assert compare(better, base, higher_is_better=False).verdict == "worse"
    assert compare(base, base).verdict == "not distinguishable"
    assert compare(base, base).p_value == 1.0


@pytest.mark.parametrize("module", [bleu, chrf], ids=["bleu", "chrf"])
def test_compare_corpus_scores(module: Any) -> None:
    rng = np.random.default_rng(6)
    letters = np.array(list("的一是不了人我在有他这中大来上国"))
    references = [["".join(rng.choice(letters, 20))] for _ in range(60)]
    good = [text[:14] + "".join(rng.choice(letters, 6)) for (text,) in references]
    poor = [text[:8] + "".join(rng.choice(letters, 12)) for (text,) in references]
    rows_good, rows_poor = (module.row_statistics(texts, references, language="zh") for texts in (good, poor))
    result = compare(rows_good, rows_poor, statistic=module.from_sums, higher_is_better=module.HIGHER_IS_BETTER)
    scores = [module.score(texts, references, language="zh").value for texts in (good, poor)]
    assert result.difference == pytest.approx(scores[0] - scores[1])
    assert result.low < result.difference < result.high
    assert result.verdict == "better" and result.p_value < 0.01


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        ([1, 2], [1], {}, "the same rows"),
        ([], [], {}, "got no rows"),
        ([1.0, math.nan], [1.0, 2.0], {}, "not finite"),
        ([1], [0], {}, "at least two"),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]], {}, "2 dimensions, wanted 1"),
        ([1, 2], [3, 4], {"statistic": lambda sums: sums[:, 0]}, "1 dimensions, wanted 2"),
    ],
)
def test_rows_that_do_not_pair_are_refused(a: Any, b: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        compare(a, b, **options)


def test_thousand_rows_compare_in_a_second() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.random(1000), rng.random(1000)
    start = time.process_time()
    compare(a, b)
    assert time.process_time() - start < 2.0


def test_sample_size() -> None:
    """Miller's example: about 1,000 rows for 3 points at 80 % power, variance of the difference 1/9."""
    assert sample_size(1 / 9, 0.03) == 969
    assert sample_size_advice(0.5, 0.03, correlation=1.0) < sample_size_advice(0.5, 0.03)
    assert sample_size_advice(0.5, 0.03) < sample_size_advice(0.5, 0.03, correlation=0.0)
    assert sample_size_advice(0.5, 0.03, power=0.9) > sample_size_advice(0.5, 0.03, power=0.8)
    for arguments in ((0.5, 0.0), (0.9, 0.2), (0.5, 0.1, 1.0)):
        with pytest.raises(BadInput, match="wanted"):
            sample_size_advice(*arguments)


def test_the_smallest_difference_that_rows_show_is_the_advice_turned_round() -> None:
    for rows in (40, 300, 2000):
        least = detectable_difference(rows)
        assert sample_size_advice(0.5 - least / 2, least) == pytest.approx(rows, rel=0.05)
    assert detectable_difference(1) == 1.0
    with pytest.raises(BadInput, match="got 0 rows"):
        detectable_difference(0)


def test_sample_size_gives_the_power_it_promises() -> None:
    n = sample_size(1.0, 0.4)
    rng = np.random.default_rng(9)
    seen = sum(mean_interval(rng.normal(0.4, 1.0, n).tolist()).low > 0 for _ in range(1000))
    assert 0.74 <= seen / 1000 <= 0.85


def test_wilson_is_at_hand() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=5e-5)
