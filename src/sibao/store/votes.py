"""What people said of two answers side by side, without knowing whose they were."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

import sqlalchemy as sa

from sibao.core.errors import BadInput
from sibao.store.database import reading, writing
from sibao.store.tables import VOTES
from sibao.store.values import text

Side = Literal["left", "right", "tie", "neither"]
"""The better one; both equally good; both bad."""


@dataclass(frozen=True)
class Vote:
    """One vote. ``left`` and ``right`` are the places on the screen; ``created`` is filled by the store (seconds since
    1970, UTC)."""

    prompt: str
    left_model: str
    left_text: str
    right_model: str
    right_text: str
    vote: Side
    created: float = 0.0


def add_vote(vote: Vote) -> None:
    """Keep one vote.

    Raises:
        BadInput: both answers are of one model, or the vote is none of the four.
    """
    if vote.left_model == vote.right_model:
        raise BadInput(f"both answers are of {vote.left_model!r}, a vote compares two models")
    if vote.vote not in get_args(Side):
        raise BadInput(f"got the vote {vote.vote!r}, wanted {', '.join(get_args(Side))}")
    values = {key: text(value) if isinstance(value, str) else value for key, value in asdict(vote).items()}
    with writing() as connection:
        connection.execute(sa.insert(VOTES), values | {"created": time.time()})


def votes() -> list[Vote]:
    """All votes, oldest first."""
    columns = [VOTES.c[field.name] for field in fields(Vote)]
    with reading() as connection:
        return [Vote(**row) for row in connection.execute(sa.select(*columns).order_by(VOTES.c.id)).mappings()]


def outcomes() -> list[tuple[str, str, Side, int]]:
    """Left model, right model, vote, and how often: all that counting needs, without the texts."""
    kept = (VOTES.c.left_model, VOTES.c.right_model, VOTES.c.vote)
    query = sa.select(*kept, sa.func.count()).group_by(*kept).order_by(*kept)
    with reading() as connection:
        return [tuple(row) for row in connection.execute(query)]
