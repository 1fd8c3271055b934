"""Two queues and a few verbs: who waits, who runs, and in which row of the cache."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sibao.engine.request import Request

if TYPE_CHECKING:
    import torch

PREFILL_TOKENS = 2048
"""Prompt tokens of one forward, padding included; longer prompts are read in pieces."""


@dataclass(eq=False)
class Job:
    """A request on its way: its tokens so far (prompt and answer), its random numbers and its row."""

    request: Request
    generator: torch.Generator
    ids: list[int] = field(default_factory=list)
    row: int = -1

    def __post_init__(self) -> None:
        self.ids = list(self.request.prompt_ids)

    @property
    def answered(self) -> int:
        """New tokens so far."""
        return len(self.ids) - len(self.request.prompt_ids)

    @property
    def room(self) -> int:
        """Positions that the job may fill in the end."""
        return len(self.request.prompt_ids) + self.request.max_tokens


class Scheduler:
    """Waiting jobs by priority, then arrival; running jobs densely in rows 0..n-1, so that a step needs no gather."""

    def __init__(self, max_batch: int) -> None:
        self.max_batch = max_batch
        self.running: list[Job] = []
        self._waiting: list[tuple[int, int, Job]] = []
        self._arrival = itertools.count()
        self._jobs: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._jobs

    def add(self, job: Job) -> None:
        """Put a job in the queue."""
        self._jobs[job.request.id] = job
        heapq.heappush(self._waiting, (-job.request.priority, next(self._arrival), job))

    def admit(self, fits: Callable[[Job], bool]) -> list[Job]:
        """Start waiting jobs while there are rows and ``fits`` says there is memory; returns those that started.

        Strictly in order: a large job at the head is not overtaken by small ones, so it cannot starve.
        """
        started = []
        while self._waiting and len(self.running) < self.max_batch:
            job = self._waiting[0][2]
            alive = self._jobs.get(job.request.id) is job  # else it was taken back while it waited
            if alive and self.running and not fits(job):
                break
            heapq.heappop(self._waiting)
            if not alive:
                continue
            job.row = len(self.running)
            self.running.append(job)
            started.append(job)
        return started

    def remove(self, request_id: str) -> tuple[int, int] | None:
        """Forget a job, waiting or running.

        Returns:
            (from, to) when the job of the last row must move into the freed row, else None.
        """
        job = self._jobs.pop(request_id)
        if job.row < 0:
            return None
        last = self.running.pop()
        if last is job:
            return None
        move = (last.row, job.row)
        self.running[job.row] = last
        last.row = job.row
        return move


def prefill_groups(jobs: list[Job]) -> Iterator[list[Job]]:
    """Prompts of similar length together: at most a quarter of padding, and few enough tokens for one forward."""
    group: list[Job] = []
    for job in sorted(jobs, key=lambda j: -len(j.ids)):
        longest = len(group[0].ids) if group else 0
        if group and ((len(group) + 1) * longest > PREFILL_TOKENS or 4 * len(job.ids) < 3 * longest):
            yield group
            group = []
        group.append(job)
    if group:
        yield group
