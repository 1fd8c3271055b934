"""Pareto front, weights and the pick: by hand, and how it moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.choosing.cells import Cell
from sibao.choosing.pareto import Span, front, points, spans
from sibao.choosing.pick import choose_pick, read_weights
from sibao.choosing.race_result import Beaten, Lane, Plan, RaceResult
from sibao.core.errors import BadInput, UnknownName


def cells(**values: float | None) -> dict[str, Cell]:
    return {key: Cell(value) for key, value in values.items()}


GOOD = cells(quality=0.9, cost=2.0, latency=1.0)
CHEAP = cells(quality=0.6, cost=0.5, latency=1.0)
BAD = cells(quality=0.5, cost=1.0, latency=1.0)
TABLE = {"good": GOOD, "cheap": CHEAP, "bad": BAD}


def result(survivors: str, names: str = "good cheap bad") -> RaceResult:
    """A race that ended with these left."""
    lanes = [
        Lane(name, (1.0,), beaten=None if name in survivors.split() else Beaten(name, "good", 9, 0.3, 400.0, 120.0))
        for name in names.split()
    ]
    return RaceResult(tuple(lanes), "rows", 10, (0,), Plan())


def test_the_front_holds_who_is_beaten_on_nothing() -> None:
    assert front(TABLE) == ["good", "cheap"]  # cheap is better and cheaper than bad
    assert front({"a": cells(quality=0.5), "b": cells(quality=0.5)}) == ["a", "b"]


def test_what_is_unknown_proves_nothing() -> None:
    assert front({"a": cells(quality=0.9), "b": cells(quality=0.5, cost=1.0)}) == ["a", "b"]
    assert front({"a": cells(quality=0.9, cost=1.0), "b": cells(quality=0.5)}) == ["a"]


def test_measured_and_estimated_energy_are_not_compared() -> None:
    one, other = {"energy": Cell(1.0, kind="measured")}, {"energy": Cell(2.0, kind="estimated")}
    assert front({"a": one, "b": other}) == ["a", "b"] and points({"a": one, "b": other}, "energy") is None
    assert front({"a": one, "b": {"energy": Cell(2.0, kind="measured")}}) == ["a"]


def test_points_are_shares_of_the_worst_not_stretched() -> None:
    assert points(TABLE, "cost") == {"good": 0.0, "cheap": 0.75, "bad": 0.5}
    assert points(TABLE, "latency") is None  # the same for all
    assert points({"a": cells(latency=1.0), "b": cells(latency=0.99)}, "latency") == pytest.approx(
        {"a": 0.0, "b": 0.01}
    )
    assert points({"a": cells(speed=50.0), "b": cells(speed=100.0)}, "speed") == {"a": 0.5, "b": 1.0}
    assert points({"a": cells(cost=0.0), "b": cells(cost=3.0)}, "cost") == {"a": 1.0, "b": 0.0}
    assert points({"a": cells(cost=1.0), "b": cells()}, "cost") is None


def test_spans_meet_where_the_sums_are_equal() -> None:
    found = spans(TABLE, {"quality": 1, "cost": 1}, "quality")
    cut = 0.75 / (0.9 + 0.75 - 0.6)  # 0.9 t = 0.6 t + 0.75 (1 - t)
    assert found == [Span("cheap", 0.0, pytest.approx(cut)), Span("good", pytest.approx(cut), 1.0)]
    assert spans(TABLE, {"latency": 1}, "latency") == []


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 5)), min_size=1, max_size=5), st.floats(0.001, 0.999))
def test_spans_name_the_highest_sum_everywhere(figures: list[tuple[float, float]], share: float) -> None:
    table = {str(i): cells(quality=q, cost=c) for i, (q, c) in enumerate(figures)}
    found = spans(table, {"quality": 1, "cost": 1}, "quality")
    if not found:
        return
    assert found[0].low == 0 and found[-1].high == 1
    here = next(s for s in found if s.low <= share <= s.high)
    ours, cost = points(table, "quality") or {}, points(table, "cost") or dict.fromkeys(table, 0.0)
    sums = {name: share * ours[name] + (1 - share) * cost[name] for name in table}
    assert sums[here.name] >= max(sums.values()) - 1e-9


def test_one_survivor_is_the_pick_whatever_it_costs() -> None:
    pick = choose_pick(TABLE, result("good"), {})
    assert (pick.name, pick.by, pick.verdict) == ("good", "race", "best")
    assert pick.front == ("good", "cheap") and [s.name for s in pick.spans["quality"]] == ["cheap", "good"]


def test_among_equals_weights_decide() -> None:
    pick = choose_pick(TABLE, result("good cheap"), {})
    assert (pick.name, pick.by, pick.verdict, pick.rivals) == (
        "cheap",
        "weights",
        "not distinguishable",
        ("good", "cheap"),
    )
    assert pick.weights == {"cost": 1.0} and pick.unused == ("latency", "memory", "parameters")
    slow = {**TABLE, "cheap": {**CHEAP, "latency": Cell(4.0)}}
    assert choose_pick(slow, result("good cheap"), {"latency": 3, "cost": 1}).name == "good"
    assert choose_pick(slow, result("good cheap"), {"latency": 1, "cost": 3}).name == "cheap"


def test_a_weight_for_quality_lets_everyone_take_part() -> None:
    assert choose_pick(TABLE, result("good"), {"quality": 1, "cost": 9}).name == "cheap"
    assert choose_pick(TABLE, result("good"), {"quality": 9, "cost": 1}).name == "good"


def test_equals_in_everything_fall_to_the_better_measured() -> None:
    table = {"a": cells(quality=0.5, cost=1.0), "b": cells(quality=0.51, cost=1.0)}
    pick = choose_pick(table, result("a b", "a b"), {})
    assert pick.name == "b" and pick.weights == {} and pick.verdict == "not distinguishable"


def test_one_or_nobody() -> None:
    assert choose_pick({"a": GOOD}, None, {}).by == "only one left"
    nobody = choose_pick({}, None, {})
    assert (nobody.name, nobody.by, nobody.verdict) == (None, "nobody", "not raced")
    assert nobody.to_json()["name"] is None
    assert (
        choose_pick(TABLE, replace(result("good"), stopped="one left"), {}).to_json()["spans"]["cost"][0]["low"] == 0.0
    )


@pytest.mark.parametrize(
    ("texts", "kind", "message"),
    [
        (["cost"], BadInput, "wanted a name and a number"),
        (["cost=x"], BadInput, "wanted a name and a number"),
        (["prise=1"], UnknownName, "prise"),
        (["cost=-1"], BadInput, "from 0"),
        (["cost=nan"], BadInput, "from 0"),
        (["cost=0", "latency=0"], BadInput, "all weights are 0"),
    ],
)
def test_weights_that_cannot_be(texts: list[str], kind: type[Any], message: str) -> None:
    with pytest.raises(kind, match=message):
        read_weights(texts)


def test_weights_are_read() -> None:
    assert read_weights(["cost=2", " latency =0.5"]) == {"cost": 2.0, "latency": 0.5} and read_weights([]) == {}
