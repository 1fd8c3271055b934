"""Votes: kept whole, counted without their texts, refused when they compare nothing."""

from dataclasses import replace

import pytest

from sibao.core.errors import BadInput
from sibao.store.votes import Vote, add_vote, outcomes, votes

ONE = Vote("写一句诗", "mini", "床前明月光", "大模型", "a poem", "left")


def test_a_vote_comes_back_as_it_was_cast(store: str) -> None:
    assert votes() == [] and outcomes() == []
    add_vote(ONE)
    add_vote(replace(ONE, vote="neither", right_text="half \ud800 and nul \0"))
    first, second = votes()
    assert first == replace(ONE, created=first.created) and first.created > 1.7e9
    assert second.right_text == "half \ufffd and nul \ufffd"


def test_votes_are_counted_by_what_was_said(store: str) -> None:
    for vote in ("left", "left", "right", "tie"):
        add_vote(replace(ONE, vote=vote))
    add_vote(replace(ONE, left_model="大模型", right_model="mini"))
    assert sorted(outcomes()) == sorted([
        ("mini", "大模型", "left", 2), ("mini", "大模型", "right", 1), ("mini", "大模型", "tie", 1),
        ("大模型", "mini", "left", 1),
    ])  # fmt: skip


SAME = replace(ONE, right_model="mini")
OTHER = replace(ONE, vote="up")


@pytest.mark.parametrize("wrong, said", [(SAME, "both answers are of 'mini'"), (OTHER, "got the vote 'up'")])
def test_a_vote_that_compares_nothing_is_refused(store: str, wrong: Vote, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        add_vote(wrong)
    assert votes() == []
