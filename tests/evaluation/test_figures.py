"""Figures as people write them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.evaluation.figures import Figure, NoFigure, parse

READ = [
    ("85.6%", Figure(85.6, "%")), ("85.6 %", Figure(85.6, "%")), ("８５．６％", Figure(85.6, "%")), ("0.930", Figure(0.93)),
    ("12.3 ± 0.4", Figure(12.3, "", 0.4)), ("0.25±0.005", Figure(0.25, "", 0.005)), ("12.3 +/- 0.4", Figure(12.3, "", 0.4)),
    ("85.6% ± 0.4%", Figure(85.6, "%", 0.4)), ("28.5*", Figure(28.5, note="*")), ("41.0†", Figure(41.0, note="†")),
    ("1.5B", Figure(1.5e9)), ("340M", Figure(3.4e8)), ("~16M", Figure(1.6e7, note="~")), ("\ufeff93.3", Figure(93.3)),
    ("−3.5", Figure(-3.5)), ("-3.5", Figure(-3.5)), ("1,234,567", Figure(1234567.0)), (".5", Figure(0.5)), ("5.", Figure(5.0)),
    ("1e-3", Figure(0.001)), ("70.14 (measured by Ge et al., 2018)", Figure(70.14, note="(measured by Ge et al., 2018)")),
    (" 7 ", Figure(7.0)), (7, Figure(7.0)), (7.5, Figure(7.5)), ("1.5B?", Figure(1.5e9, note="?")),
]  # fmt: skip
ABSENT = ["", " ", "-", "–", "—", "−", "--", "--*", "n/a", "N/A", "None", "?", "无", None]
UNREADABLE = [
    "76.2/83.1", "(14.62 10.86)", "Please tell us", "Yes", "<5", ">90", "85,6", "1.2.3", "12.3 ± ", "± 3", "1 2", "1e999",
    True, float("nan"), float("inf"), [1], {"a": 1}, "12.3 4.5%", "3 x 10", 10**400,
]  # fmt: skip


@pytest.mark.parametrize("raw, wanted", READ, ids=lambda v: repr(v)[:30])
def test_read(raw: Any, wanted: Figure) -> None:
    assert parse(raw) == wanted


@pytest.mark.parametrize("raw", ABSENT, ids=repr)
def test_nothing_is_claimed(raw: Any) -> None:
    found = parse(raw)
    assert isinstance(found, NoFigure) and found.kind == "absent"


@pytest.mark.parametrize("raw", UNREADABLE, ids=lambda v: repr(v)[:30])
def test_what_is_not_one_number_is_never_guessed_at(raw: Any) -> None:
    found = parse(raw)
    assert isinstance(found, NoFigure) and found.kind == "unreadable"


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["", "%"]))
def test_every_number_is_read_back(value: float, unit: str) -> None:
    found = parse(repr(value) + unit)
    assert isinstance(found, Figure) and found.value == value and found.unit == unit


@given(st.text(max_size=40) | st.from_regex(r"[~≈]?[0-9.,±%*KMB() +-]{0,20}", fullmatch=True))
def test_any_text_is_a_figure_or_said_not_to_be(text: str) -> None:
    found = parse(text)
    if isinstance(found, Figure):
        assert math.isfinite(found.value) and any(c.isdigit() for c in text)
    else:
        assert found.text == text[:200]
