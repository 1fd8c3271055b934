"""What a user asks ``sibao choose``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from sibao.choosing.limits import Limits
from sibao.choosing.race_result import Plan
from sibao.core.types import Row
from sibao.workflows._choose_cells import Candidate

PROBE = 5
"""Rows that each candidate answers one at a time first: what a single user would wait."""
RACED_ON = {"translate": "chrf", "summarize": "rougel", "answer": "f1"}
"""The metric of a task's race where it is not the task's first: one that a single row has a sensible value of."""
LEVEL = 0.95
Stage = Literal["open", "race"]


class Watch(Protocol):
    """Is told how a choice goes on."""

    def __call__(self, stage: Stage, name: str, done: int, total: int) -> None:
        """``open``: model ``done`` of ``total`` is loaded and answers its first rows; ``race``: it has answered so many rows."""


def unwatched(stage: Stage, name: str, done: int, total: int) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class Ask:
    """What is to be chosen.

    ``candidates``: none for the catalogue's own that are on this machine. ``data``: files of rows (or ``rows`` themselves);
    none gives advice without a race. ``task`` None: told from rows and ``need``. ``metric`` None: see ``RACED_ON``.
    ``limit``: at most so many rows. ``weights``: see ``choosing.pick``. ``cache``: keep answers, and take kept ones.
    """

    candidates: tuple[Candidate, ...] = ()
    data: tuple[str, ...] = ()
    rows: Sequence[Row] = field(default=(), repr=False)
    need: str = ""
    task: str | None = None
    metric: str | None = None
    to: str | None = None
    limits: Limits = field(default_factory=Limits)
    weights: dict[str, float] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)
    limit: int | None = None
    max_tokens: int | None = None
    batch: int = 16
    cache: bool = True

    def recipe(self, task: str, metric: str) -> dict[str, Any]:
        """What the run is made from, for the store."""
        return {
            "task": task, "metric": metric, "data": list(self.data), "need": self.need, "to": self.to, "limit": self.limit,
            "models": [c.label for c in self.candidates], "limits": self.limits.to_json(), "weights": self.weights,
            "plan": dict(self.plan.__dict__), "max_tokens": self.max_tokens,
        }  # fmt: skip
