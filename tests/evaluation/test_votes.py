"""Counting votes: wins by model and pair, the interval, and the place on the screen."""

import pytest

from sibao.evaluation.votes import Outcome, tally
from sibao.metrics._intervals import wilson

VOTES: list[Outcome] = [
    ("a", "b", "left", 6), ("b", "a", "right", 2), ("a", "b", "right", 1), ("a", "b", "tie", 3), ("c", "b", "neither", 2),
    ("c", "a", "left", 1),
]  # fmt: skip


def test_wins_are_counted_from_either_side() -> None:
    counted = tally(VOTES)
    assert counted.votes == 15
    by_name = {one.model: (one.wins, one.losses, one.ties, one.neither) for one in counted.models}
    assert by_name == {"a": (8, 2, 3, 0), "b": (1, 8, 3, 2), "c": (1, 0, 0, 2)}
    a = next(one for one in counted.models if one.model == "a").rate
    assert (a.rate, a.n, (a.low, a.high)) == (0.8, 10, wilson(8, 10))


def test_one_lucky_vote_does_not_lead() -> None:
    assert [one.model for one in tally(VOTES).models] == ["a", "c", "b"]


def test_a_pair_is_told_once_by_the_one_ahead() -> None:
    pairs = {(one.model, one.against): (one.wins, one.losses) for one in tally(VOTES).pairs}
    assert pairs == {("a", "b"): (8, 1), ("c", "a"): (1, 0), ("b", "c"): (0, 0)}


def test_the_place_is_reported() -> None:
    left = tally(VOTES).left
    assert left.n == 10 and left.rate == pytest.approx(0.7)


def test_no_votes_have_no_rate() -> None:
    counted = tally([])
    assert (counted.votes, counted.models, counted.pairs, counted.left.rate) == (0, [], [], None)
    assert tally([("a", "b", "tie", 4)]).models[0].rate.low is None
