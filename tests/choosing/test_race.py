"""The race: right picks, equal models told so, losers cost nothing more, missing is not wrong, money is kept to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sibao.choosing.race import race, row_order
from sibao.choosing.race_result import Plan, RaceResult, Reply
from sibao.core.errors import BadInput


def rates(rng: np.random.Generator, means: Sequence[float], rows: int) -> np.ndarray:
    """Right or wrong, independent."""
    return (rng.random((len(means), rows)) < np.array(means)[:, None]).astype(float)


def run(table: np.ndarray, plan: Plan | None = None, **reply: Any) -> RaceResult:
    """A race over a table of values [models, rows]; NaN is a missing row; a token for each row."""

    def answer(name: str, rows: Sequence[int]) -> Reply:
        given = table["abcdefgh".index(name), list(rows)].tolist()
        return Reply([None if v != v else v for v in given], len(rows), **reply)

    return race("abcdefgh"[: len(table)], answer, table.shape[1], plan)


def test_a_hundred_races_pick_right_and_save_half() -> None:
    rng = np.random.default_rng(7)
    found = [run(rates(rng, (0.8, 0.7, 0.6, 0.5, 0.4), 2000), Plan(seed=i)) for i in range(100)]
    assert sum("a" not in one.survivors for one in found) <= 5
    shares = sorted(one.tokens / one.full_tokens for one in found)
    assert shares[50] <= 0.5
    assert sum(one.distinguishable for one in found) >= 90  # ten points are found within 2,000 rows


def test_a_hundred_races_of_equals_say_that_they_are() -> None:
    rng = np.random.default_rng(8)
    found = [run(rates(rng, (0.8, 0.8, 0.6, 0.5, 0.4), 2000), Plan(seed=i)) for i in range(100)]
    assert sum(not one.distinguishable for one in found) >= 95
    assert sum(set(one.survivors) == {"a", "b"} for one in found) >= 95
    assert all(one.stopped == "rows" for one in found if not one.distinguishable)


def test_shared_difficulty_makes_it_shorter() -> None:
    rng, rows, lengths = np.random.default_rng(9), 2000, {"together": 0, "alone": 0}
    for seed in range(20):
        hard = rng.random(rows)  # the better one is right wherever the other is
        together = np.stack([hard < rate for rate in (0.8, 0.75)]).astype(float)
        lengths["together"] += len(run(together, Plan(seed=seed)).order)
        lengths["alone"] += len(run(rates(rng, (0.8, 0.75), rows), Plan(seed=seed)).order)
    assert 3 * lengths["together"] < lengths["alone"]


def test_graded_values_race_too() -> None:
    rng = np.random.default_rng(10)
    table = np.clip(rng.normal([[0.55], [0.45], [0.2]], 0.2, (3, 1500)), 0, 1)
    found = run(table)
    assert found.survivors == ["a"]
    for k, lane in enumerate(found.lanes):
        low, high = lane.bounds()
        assert low <= table[k].mean() <= high


def test_who_is_dropped_is_asked_no_more_and_says_by_whom() -> None:
    rng = np.random.default_rng(11)
    found = run(rates(rng, (0.9, 0.2, 0.88), 400))
    loser = found.lane("b").beaten
    assert loser is not None and loser.winner in "ac" and loser.difference > 0 and loser.odds >= loser.needed == 120
    assert found.lane("b").asked == loser.rows < found.lane("a").asked == len(found.order)
    assert found.tokens == sum(lane.asked for lane in found.lanes) < found.full_tokens == 1200


def test_missing_rows_are_neither_right_nor_wrong() -> None:
    rng = np.random.default_rng(12)
    table = rates(rng, (0.8, 0.8), 600)
    table[0, rng.random(600) < 0.5] = np.nan
    found = run(table)
    lane = found.lane("a")
    assert not found.distinguishable and 200 < lane.missing < 400 and lane.missing + len(lane.values) == 600
    assert lane.mean == pytest.approx(np.nanmean(table[0]))
    nothing = run(np.full((2, 50), np.nan))
    assert nothing.survivors == ["a", "b"] and nothing.lane("a").mean is None


def test_the_same_seed_is_the_same_race() -> None:
    table = rates(np.random.default_rng(13), (0.8, 0.7), 300)
    assert run(table, Plan(seed=3)) == run(table, Plan(seed=3))
    assert run(table, Plan(seed=3)).order != run(table, Plan(seed=4)).order
    assert sorted(row_order(300, 3)) == list(range(300)) and row_order(300, 3) == row_order(300, 3)


def test_money_ends_it_before_it_is_passed() -> None:
    table = rates(np.random.default_rng(14), (0.8, 0.8), 2000)
    found = run_priced(table, lambda name: 0.01, max_cost=5.0)
    assert found.stopped == "budget" and 4 < sum(lane.cost for lane in found.lanes) <= 5
    free = run_priced(table, lambda name: 0.0, max_cost=0.0)
    assert free.stopped == "rows"  # what costs nothing is not stopped by an empty purse
    assert run(table, exhausted=True).stopped == "budget" and len(run(table, exhausted=True).order) == 16


def run_priced(table: np.ndarray, price: Callable[[str], float], max_cost: float) -> RaceResult:
    """A race in which each row costs money."""

    def answer(name: str, rows: Sequence[int]) -> Reply:
        return Reply(table["ab".index(name), list(rows)].tolist(), len(rows), price(name) * len(rows))

    return race("ab", answer, table.shape[1], Plan(max_cost=max_cost))


def test_at_most_so_many_rows() -> None:
    found = run(rates(np.random.default_rng(15), (0.8, 0.8), 500), Plan(most=60))
    assert len(found.order) == 60 and found.available == 500 and found.full_tokens == 1000


def test_one_model_has_won_without_a_row() -> None:
    found = run(np.ones((1, 10)))
    assert found.survivors == ["a"] and found.stopped == "one left" and found.tokens == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(1, 120), st.integers(0, 10_000))
def test_somebody_always_remains_and_the_books_balance(models: int, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 2, (models, rows)) * rng.random((models, 1)).round()
    told: list[int] = []
    names = "abcdefgh"[:models]
    found = race(
        names, lambda n, r: Reply(table[names.index(n), list(r)].tolist(), len(r)), rows, Plan(seed=seed),
        lambda name, n: told.append(n),
    )  # fmt: skip
    assert found.survivors and sum(told) == found.tokens == sum(lane.asked for lane in found.lanes)
    assert {lane.asked for lane in found.lanes if lane.beaten is None} <= {len(found.order)}
    json = found.to_json()
    assert json["survivors"] == found.survivors and len(json["lanes"]) == models


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: race([], lambda n, r: Reply([]), 5), "got 0 models"),
        (lambda: race(["a", "a"], lambda n, r: Reply([]), 5), "1 different"),
        (lambda: race(["a", "b"], lambda n, r: Reply([]), 0), "0 rows"),
        (lambda: race(["a", "b"], lambda n, r: Reply([2.0] * len(r)), 5), "outside 0..1"),
        (lambda: race(["a", "b"], lambda n, r: Reply([0.5]), 5), "1 values for 5 rows"),
        (lambda: Plan(delta=0), "delta is 0"),
        (lambda: Plan(growth=0), "growth 0"),
    ],
)
def test_what_cannot_be_raced_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()
