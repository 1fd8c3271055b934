"""What goes into a race and what comes out: replies, the plan, a lane for each model, and who beat whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sibao.choosing.sequences import Bounds, interval
from sibao.core.errors import BadInput

Stopped = Literal["one left", "rows", "budget"]


@dataclass(frozen=True)
class Reply:
    """What a model made of some rows.

    ``values`` lie in [0, 1], the higher the better; None is a row that could not be answered, which is missing and not
    wrong. ``exhausted`` says that no more money may be spent: the race ends with this batch.
    """

    values: Sequence[float | None]
    tokens: int = 0
    cost: float = 0.0
    exhausted: bool = False


Answer = Callable[[str, Sequence[int]], Reply]
"""(name, row numbers) -> reply."""


@dataclass(frozen=True)
class Plan:
    """How a race is run. ``delta``: probability of any false statement; ``first`` rows at first, then a share ``growth`` of
    those seen; ``most``: at most so many rows of each model; ``max_cost`` for all together; ``seed`` orders the rows."""

    delta: float = 0.05
    first: int = 16
    growth: float = 0.25
    most: int | None = None
    max_cost: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.delta < 1:
            raise BadInput(f"delta is {self.delta}, wanted a number between 0 and 1", hint="0.05 is the usual one")
        if self.first < 1 or self.growth <= 0:
            raise BadInput(f"got first {self.first} and growth {self.growth}, wanted at least 1 and more than 0")


@dataclass(frozen=True)
class Beaten:
    """``loser`` was dropped after ``rows`` rows because ``winner`` was better by ``difference`` on those both answered;
    ``odds`` is the wealth that was bet on it (what it had to reach: ``needed``)."""

    loser: str
    winner: str
    rows: int
    difference: float
    odds: float
    needed: float


@dataclass(frozen=True)
class Lane:
    """One model in the race, and what it took. ``by_row``: its value of each row asked, in the race's order; None: missing."""

    name: str
    by_row: tuple[float | None, ...] = field(repr=False)
    tokens: int = 0
    cost: float = 0.0
    beaten: Beaten | None = None

    @property
    def asked(self) -> int:
        """Rows that it was asked."""
        return len(self.by_row)

    @property
    def values(self) -> list[float]:
        """Its values without the missing ones."""
        return [value for value in self.by_row if value is not None]

    @property
    def missing(self) -> int:
        """Rows without an answer."""
        return self.asked - len(self.values)

    @property
    def mean(self) -> float | None:
        """Mean of its values; None where there are none."""
        values = self.values
        return math.fsum(values) / len(values) if values else None

    def bounds(self, level: float = 0.95) -> Bounds:
        """The always-valid interval of its mean."""
        return interval(self.values, level)


@dataclass(frozen=True)
class RaceResult:
    """How a race went. ``order`` lists the rows in the order they were asked."""

    lanes: tuple[Lane, ...]
    stopped: Stopped
    available: int
    order: tuple[int, ...] = field(repr=False)
    plan: Plan = field(default_factory=Plan)

    @property
    def survivors(self) -> list[str]:
        """Models that no other was shown to be better than."""
        return [lane.name for lane in self.lanes if lane.beaten is None]

    @property
    def distinguishable(self) -> bool:
        """Whether one is left."""
        return len(self.survivors) == 1

    def lane(self, name: str) -> Lane:
        """The lane of a model."""
        return next(lane for lane in self.lanes if lane.name == name)

    @property
    def tokens(self) -> int:
        """Tokens of all models."""
        return sum(lane.tokens for lane in self.lanes)

    @property
    def full_tokens(self) -> float:
        """What all models on all rows would have taken, at their own rates."""
        return sum(lane.tokens / lane.asked * self.available for lane in self.lanes if lane.asked)

    def to_json(self, level: float = 0.95) -> dict[str, Any]:
        """Plain data."""
        return {
            "stopped": self.stopped, "survivors": self.survivors, "rows": self.available, "delta": self.plan.delta,
            "tokens": self.tokens, "full_tokens": round(self.full_tokens), "cost": sum(x.cost for x in self.lanes),
            "lanes": [_lane_json(lane, level) for lane in self.lanes],
        }  # fmt: skip


def _lane_json(lane: Lane, level: float) -> dict[str, Any]:
    bounds = lane.bounds(level)
    return {
        "name": lane.name, "mean": lane.mean, "low": bounds.low, "high": bounds.high, "level": level,
        "n": len(lane.values), "missing": lane.missing, "tokens": lane.tokens, "cost": lane.cost,
        "beaten": None if lane.beaten is None else dict(lane.beaten.__dict__),
    }  # fmt: skip
