"""Adjusted p-values against published examples and by their defining properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.core.errors import BadInput
from sibao.evaluation.multiple import benjamini_hochberg, holm, together
from sibao.evaluation.statistics import compare

PAPER = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0,
]  # fmt: skip
"""The fifteen p-values of Benjamini and Hochberg 1995, section 4."""


@pytest.mark.parametrize(
    "given_p, by_holm, by_bh",
    [
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09], [0.05] * 5),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02], [0.02, 0.04, 0.04, 0.02]),
        ([0.5], [0.5], [0.5]),
        ([], [], []),
        ([1.0, 0.9], [1.0, 1.0], [1.0, 1.0]),
    ],
)  # what R's p.adjust gives
def test_known_values(given_p: list[float], by_holm: list[float], by_bh: list[float]) -> None:
    assert holm(given_p) == pytest.approx(by_holm)
    assert benjamini_hochberg(given_p) == pytest.approx(by_bh)


def test_a_table_of_comparisons_is_judged_as_a_whole() -> None:
    rng = np.random.default_rng(6)
    base = rng.normal(0, 1, 80)
    table = {f"noise {i}": compare(base + rng.normal(0, 1, 80), base) for i in range(30)}
    table["real"] = compare(base + 1 + rng.normal(0, 0.5, 80), base)
    assert sum(c.verdict != "not distinguishable" for c in table.values()) > 1  # by luck
    judged = together(table)
    assert [name for name, c in judged.items() if c.verdict != "not distinguishable"] == ["real"]
    assert judged["real"].verdict == "better" and judged["real"].difference == table["real"].difference


def test_the_papers_example_finds_four_and_holm_three() -> None:
    assert sum(p <= 0.05 for p in benjamini_hochberg(PAPER)) == 4
    assert sum(p <= 0.05 for p in holm(PAPER)) == 3


@given(st.lists(st.floats(0, 1), max_size=30))
def test_never_below_the_plain_p_and_in_the_same_order(values: list[float]) -> None:
    for adjusted in (holm(values), benjamini_hochberg(values)):
        assert all(p <= a <= 1 or a == pytest.approx(p) for p, a in zip(values, adjusted, strict=True))
        ordered = [a for _, a in sorted(zip(values, adjusted, strict=True))]
        assert ordered == sorted(ordered)
    assert all(b <= h + 1e-12 for b, h in zip(benjamini_hochberg(values), holm(values), strict=True))


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(bad: float) -> None:
    for adjust in (holm, benjamini_hochberg):
        with pytest.raises(BadInput, match="at place 1, wanted a number from 0 to 1"):
            adjust([0.5, bad])
