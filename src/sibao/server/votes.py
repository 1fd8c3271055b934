"""Blind votes of the page's Compare room."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from sibao.evaluation.votes import Record, Tally, tally
from sibao.store.votes import Side, Vote, add_vote, outcomes

router = APIRouter(prefix="/api/votes", tags=["votes"])


class Answer(BaseModel):
    """One of the two answers."""

    model_config = ConfigDict(extra="forbid")
    model: str = Field(min_length=1, max_length=1000)
    text: str


class Ballot(BaseModel):
    """A vote: which answer is better, that both are good (``tie``), or neither."""

    model_config = ConfigDict(extra="forbid")
    prompt: str = Field(min_length=1)
    left: Answer
    right: Answer
    vote: Side


class Standing(BaseModel):
    """How a model fared; ``rate`` is the share of wins in the ``n`` decided votes, with its interval at 95 %."""

    model: str
    against: str = ""
    wins: int
    losses: int
    ties: int
    neither: int
    rate: float | None
    low: float | None
    high: float | None


class Place(BaseModel):
    """How often the left answer was chosen of the ``n`` decided votes."""

    rate: float | None
    low: float | None
    high: float | None
    n: int


class Standings(BaseModel):
    """All votes counted, the best model first; ``pairs`` from the side of the one ahead."""

    votes: int
    left: Place
    models: list[Standing]
    pairs: list[Standing]


@router.post("", summary="Keep a vote")
def post_vote(ballot: Ballot) -> Standings:
    """Keep one vote and give the count with it."""
    left, right = ballot.left, ballot.right
    add_vote(Vote(ballot.prompt, left.model, left.text, right.model, right.text, ballot.vote))
    return get_votes()


@router.get("", summary="Count the votes")
def get_votes() -> Standings:
    """Every model and every pair, with intervals."""
    return _standings(tally(outcomes()))


def _standings(counted: Tally) -> Standings:
    left = counted.left
    return Standings(
        votes=counted.votes,
        left=Place(rate=left.rate, low=left.low, high=left.high, n=left.n),
        models=[Standing(**_figures(one)) for one in counted.models],
        pairs=[Standing(**_figures(one)) for one in counted.pairs],
    )


def _figures(one: Record) -> dict[str, Any]:
    rate = one.rate
    return vars(one) | {"rate": rate.rate, "low": rate.low, "high": rate.high}
