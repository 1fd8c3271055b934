"""Two queues and a few verbs: who waits, who runs, and what is read next.

Each step reads one new token of every request that writes, then pieces of prompts (chunked prefill, arXiv 2308.16369):
a long prompt does not make the others wait for its end. When memory runs out the least urgent request gives its blocks
back and waits; what it had is read again, except for what is still remembered.
"""

from __future__ import annotations

import heapq
import itertools
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sibao.engine.blocks import BlockPool, Root
from sibao.engine.request import Request, SequenceScore
from sibao.engine.runner import BLOCK

if TYPE_CHECKING:
    import torch

STEP_TOKENS = 512
"""Tokens of prompts that one step reads at most."""
BESIDE_TOKENS = 128
"""The same while some request writes: what its next token waits for."""
GUESSES = 16
"""Tokens of one step up to which guesses are added: so few are read in hardly more time than one."""


@dataclass(eq=False)
class Job:
    """A request on its way: its tokens so far (prompt and answer) and its part of the cache.

    ``read`` tokens of ``ids`` have their keys and values in the blocks of ``table``; ``full`` of these blocks are full
    and remembered.
    """

    request: Request
    generator: torch.Generator
    ids: list[int] = field(default_factory=list)
    read: int = 0
    table: array[int] = field(default_factory=lambda: array("i"))
    full: int = 0
    arrival: int = 0
    logprobs: list[float] = field(default_factory=list)
    greedy: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ids = list(self.request.reading)

    @property
    def answered(self) -> int:
        """New tokens so far."""
        return len(self.ids) - len(self.request.prompt_ids)

    @property
    def unread(self) -> int:
        """Tokens whose keys and values are still to be made."""
        return len(self.ids) - self.read

    @property
    def urgency(self) -> tuple[int, int]:
        """Smaller runs earlier: by priority, then by arrival."""
        return -self.request.priority, self.arrival

    @property
    def shareable(self) -> list[int]:
        """Tokens whose results are not asked for, so that it is enough to know their keys and values."""
        return self.ids[: self.request.score_from]

    def scored(self) -> SequenceScore | None:
        """What was asked for by ``score_from``, once the prompt is read."""
        if self.request.score_from is None:
            return None
        return SequenceScore(tuple(self.logprobs), tuple(self.greedy))

    @property
    def root(self) -> Root:
        """What its blocks can be shared within."""
        return (self.request.adapter,)


@dataclass(frozen=True)
class Piece:
    """Tokens ``ids[start:stop]`` of a job, read in one step, and after them ``guessed`` ones."""

    job: Job
    start: int
    stop: int
    guessed: tuple[int, ...] = ()

    @property
    def last(self) -> bool:
        """Whether the job has nothing left to read."""
        return self.stop == len(self.job.ids)

    @property
    def writes(self) -> bool:
        """Whether a token is chosen after it."""
        return self.last and self.job.request.max_tokens > 0

    @property
    def targets(self) -> list[int]:
        """Tokens of the prompt to be scored by what this piece's wanted tokens say."""
        request = self.job.request
        if request.score_from is None or self.job.answered > 0:
            return []
        return request.prompt_ids[max(self.start + 1, request.score_from) : self.stop + 1]

    @property
    def ids(self) -> list[int]:
        """All tokens that are read."""
        return [*self.job.ids[self.start : self.stop], *self.guessed]

    @property
    def wanted(self) -> range:
        """Tokens whose results are needed, counted from the first of the piece."""
        size, scored = self.stop - self.start, len(self.targets)
        if self.guessed:
            return range(size - 1, size + len(self.guessed))
        first = size - max(int(self.writes), scored if self.stop < len(self.job.request.prompt_ids) else scored + 1)
        return range(first, size)


Guess = Callable[[list[Job], int], Mapping[Job, Sequence[int]]]
"""Jobs that write, and how many tokens may be guessed for each: what may come next."""


class Scheduler:
    """Waiting jobs by urgency, running ones in the order they started.

    Args:
        max_batch: jobs that write at once.
    """

    def __init__(self, max_batch: int, pool: BlockPool) -> None:
        self.max_batch, self.pool = max_batch, pool
        self.running: list[Job] = []
        self.preempted = 0
        """How often a job had to give its blocks back."""
        self._waiting: list[tuple[tuple[int, int], Job]] = []
        self._arrival = itertools.count()
        self._jobs: dict[str, Job] = {}
        self._planned: dict[Job, Piece] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._jobs

    def add(self, job: Job) -> None:
        """Put a job in the queue."""
        job.arrival = next(self._arrival)
        self._jobs[job.request.id] = job
        heapq.heappush(self._waiting, (job.urgency, job))

    def remove(self, request_id: str) -> Job:
        """Forget a job, waiting or running; its full blocks stay remembered."""
        job = self._jobs.pop(request_id)
        if job in self.running:
            self.running.remove(job)
        self._give_back(job)
        return job

    def plan(self, guess: Guess | None = None) -> list[Piece]:
        """What the next step reads. Blocks for it are taken, and those it fills are remembered at once: requests that start
        in the same step may share them."""
        self._planned.clear()
        writing = [job for job in self.running if job.unread == 1]
        most = max(0, GUESSES - len(writing)) // max(1, len(writing))
        guesses = guess(writing, most) if guess is not None and most else {}
        pieces = [piece for job in writing if (piece := self._piece(job, 1, guesses.get(job, [])))]
        left = (BESIDE_TOKENS if pieces else STEP_TOKENS) if self._reading() else 0
        for job in [job for job in self.running if job.unread > 1]:
            if left and (piece := self._piece(job, left)):
                pieces.append(piece)
                left -= piece.stop - piece.start
        while left and (started := self._start()):
            if piece := self._piece(started, left):
                pieces.append(piece)
                left -= piece.stop - piece.start
        return [piece for piece in pieces if piece.job in self.running]

    def failed(self, pieces: list[Piece]) -> None:
        """A step did not happen: what it should have kept is not there."""
        for piece in pieces:
            self._forget(piece)

    def _reading(self) -> bool:
        return bool(self._waiting) or any(job.unread > 1 for job in self.running)

    def _start(self) -> Job | None:
        """The most urgent waiting job, when there is a row and memory for all of its tokens.

        Strictly in order: a large job at the head is not overtaken by small ones, so it cannot starve.
        """
        while self._waiting:
            job = self._waiting[0][1]
            if self._jobs.get(job.request.id) is not job:  # taken back while it waited
                heapq.heappop(self._waiting)
                continue
            if job.request.max_tokens and sum(j.request.max_tokens > 0 for j in self.running) >= self.max_batch:
                return None
            shared = self.pool.find(job.root, job.shareable)
            self.pool.hold(shared)
            if self.running and self.pool.room() < blocks_for(len(job.ids)) - len(shared):
                self.pool.release(shared)
                return None
            heapq.heappop(self._waiting)
            job.table, job.full, job.read = array("i", shared), len(shared), len(shared) * BLOCK
            self.running.append(job)
            return job
        return None

    def _piece(self, job: Job, most: int, guessed: Sequence[int] = ()) -> Piece | None:
        """The next tokens of a running job, once it has blocks for them; None when it had to give way."""
        stop = min(len(job.ids), job.read + most)
        guessed = tuple(guessed[: max(0, job.request.max_tokens - job.answered - 1)])  # nothing follows the last
        while job in self.running:
            missing = blocks_for(stop + len(guessed)) - len(job.table)
            taken = self.pool.take(missing, alone=len(self.running) == 1) if missing > 0 else array("i")
            if taken is not None:
                job.table.extend(taken)
                piece = self._planned[job] = Piece(job, job.read, stop, guessed)
                self._remember(piece)
                return piece
            if guessed:
                guessed = ()
            else:
                self._preempt(max(self.running, key=lambda j: j.urgency))
        return None

    def _remember(self, piece: Piece) -> None:
        job = piece.job
        job.read = piece.stop
        for number in range(job.full, job.read // BLOCK):
            before = job.table[number - 1] if number else None
            self.pool.remember(job.table[number], job.root, before, job.ids[number * BLOCK : (number + 1) * BLOCK])
        job.full = job.read // BLOCK

    def _forget(self, piece: Piece) -> None:
        self.pool.forget(piece.job.table[piece.start // BLOCK :])

    def _preempt(self, job: Job) -> None:
        self.preempted += 1
        self.running.remove(job)
        if job in self._planned:  # what it was to fill in this step stays empty
            self._forget(self._planned.pop(job))
        self._give_back(job)
        job.logprobs, job.greedy = [], []
        heapq.heappush(self._waiting, (job.urgency, job))

    def _give_back(self, job: Job) -> None:
        self.pool.release(job.table)
        job.table, job.read, job.full = array("i"), 0, 0


def blocks_for(tokens: int) -> int:
    """Blocks that so many positions take."""
    return -(-tokens // BLOCK)
