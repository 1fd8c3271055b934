"""Two queues and a few verbs: who waits, who runs, and what is read next.

Each step reads one new token of every request that writes, then pieces of prompts (chunked prefill, arXiv 2308.16369):
a long prompt does not make the others wait for its end. When memory runs out the least urgent request gives its blocks
back and waits; what it had is read again, except for what is still remembered.

Texts to be scored come in families: the choices of one question. While the first is read its siblings wait, for one step,
and then go on from a copy of what they have in common.
"""

from __future__ import annotations

import heapq
import itertools
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sibao.engine.blocks import ALIKE, BlockPool
from sibao.engine.job import Group, Job, Piece
from sibao.engine.request import Request
from sibao.engine.runner import BLOCK, blocks_for
from sibao.engine.sources import Sources

STEP_TOKENS = 512
"""Tokens of prompts that one step reads at most."""
BESIDE_TOKENS = 128
"""The same while some request writes: what its next token waits for."""
GUESSES = 16
"""Tokens of one step up to which guesses are added: so few are read in hardly more time than one."""


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
        self._waiting: list[tuple[tuple[int, int, int], Job]] = []
        self._arrival = itertools.count()
        self._turn: dict[int, int] = {}  # of the last one that began, by priority
        self._last: dict[tuple[int, str | None], int] = {}  # turns that groups have taken, by priority and group
        self._jobs: dict[str, Job] = {}
        self._planned: dict[Job, Piece] = {}
        self.sources = Sources(pool)
        self._filling: set[int] = set()  # blocks whose beginnings this step's plan fills
        self._siblings: list[Job] = []  # that wait for one of them
        self.copies: list[tuple[int, int, int]] = []
        """Beginnings of blocks that it has to copy: from, to, positions."""

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._jobs

    @property
    def ids(self) -> list[str]:
        """All requests, waiting or running."""
        return list(self._jobs)

    @property
    def planned(self) -> list[Piece]:
        """What the last plan reads, or as much of it as there is."""
        return list(self._planned.values())

    def add(self, job: Job) -> None:
        """Put a job in the queue: its turn comes after the one that is on, and after those of its group before it."""
        job.arrival, job.turn = next(self._arrival), self._next_turn(job.request)
        if job.request.search is not None:
            job.group = Group(job, job.request.search)
        self._jobs[job.request.id] = job
        heapq.heappush(self._waiting, (job.urgency, job))

    def _next_turn(self, request: Request) -> int:
        if len(self._last) > len(self._jobs):  # some groups have gone
            self._last = {one: turn for one, turn in self._last.items() if turn > self._turn.get(one[0], 0)}
        group = request.priority, request.group
        self._last[group] = max(self._turn.get(request.priority, 0), self._last.get(group, 0)) + 1
        return self._last[group]

    def remove(self, request_id: str) -> Job:
        """Forget a job with all its texts, waiting or running; full blocks stay remembered."""
        job = self._jobs.pop(request_id)
        for text in job.texts:
            if text in self.running:
                self.running.remove(text)
            self._give_back(text)
        return job

    def plan(self, guess: Guess | None = None) -> list[Piece]:
        """What the next step reads. Blocks for it are taken, and those it fills are remembered at once: requests that start
        in the same step may share them."""
        self._planned.clear()
        self._filling.clear()
        self.sources.unread.clear()
        # texts of one search side by side: they look at the same source
        writing = sorted((job for job in self.running if job.unread == 1), key=lambda job: job.arrival)
        most = max(0, GUESSES - len(writing)) // max(1, len(writing))
        alone = [job for job in writing if job.group is None]
        guesses = guess(alone, most) if guess is not None and most else {}
        pieces = [piece for job in writing if (piece := self._piece(job, 1, guesses.get(job, [])))]
        left, known = (BESIDE_TOKENS if pieces else STEP_TOKENS) if self._reading() else 0, 0
        for job in [job for job in self.running if job.unread > 1]:
            if left and (piece := self._piece(job, left)):
                pieces.append(piece)
                left -= piece.stop - piece.start
        while left > 0 and (started := self._start()):
            left -= sum(len(source.ids) for source in self.sources.unread[known:])
            known = len(self.sources.unread)
            if piece := self._piece(started, max(1, left)):
                pieces.append(piece)
                left -= piece.stop - piece.start
        for job in self._siblings:
            heapq.heappush(self._waiting, (job.urgency, job))
        self._siblings.clear()
        # one that gave way, and perhaps began anew at once, has left this step's plan
        return [piece for piece in pieces if self._planned.get(piece.job) is piece]

    def failed(self, pieces: Sequence[Piece]) -> None:
        """A step did not happen: what it should have kept is not there."""
        for piece in pieces:
            self._forget(piece)

    def _reading(self) -> bool:
        return bool(self._waiting) or any(job.unread > 1 for job in self.running)

    def _start(self) -> Job | None:
        """The most urgent waiting job, when there is a row and memory for all of its tokens.

        Strictly in order of urgency: a large job at the head is not overtaken by small ones, so it cannot starve.
        """
        while self._waiting:
            job = self._waiting[0][1]
            if self._jobs.get(job.request.id) is not job:  # taken back while it waited
                heapq.heappop(self._waiting)
                continue
            if job.rows and self.running and sum(j.rows for j in self.running) + job.rows > self.max_batch:
                return None
            shared = self.pool.find(job.root, job.shareable)
            begun, soon = self._beginning(job, shared)
            if not job.request.max_tokens and 2 * soon >= len(job.ids) - len(shared) * BLOCK:
                self._siblings.append(heapq.heappop(self._waiting)[1])
                continue
            self.pool.hold(shared)
            needed = blocks_for(len(job.ids)) - len(shared) + max(0, job.rows - 1)
            needed += self.sources.needed(job.request.source_ids)
            if self.running and self.pool.room() < needed:
                self.pool.release(shared)
                return None
            heapq.heappop(self._waiting)
            job.table, job.full, job.read = array("i", shared), len(shared), len(shared) * BLOCK
            self.running.append(job)
            self._turn[job.request.priority] = max(self._turn.get(job.request.priority, 0), job.turn)
            job.source = self.sources.hold(job.request.source_ids, alone=len(self.running) == 1)
            if begun is not None:
                self._copy(job, *begun)
            if not job.answered:
                job.reused = job.read
            return job
        return None

    def _beginning(self, job: Job, shared: Sequence[int]) -> tuple[tuple[int, int] | None, int]:
        """A block, and how many of its first tokens may be copied to go on after ``shared``, if there is one; and how many
        more could be after this step."""
        most = 0
        for block, count in self.pool.beginnings(job.root, shared, job.shareable):
            if block not in self._filling:
                return (block, count), max(0, most - count)
            most = max(most, count)
        return None, most

    def _copy(self, job: Job, block: int, count: int) -> None:
        """Let a job that starts go on from the first tokens of a block of another, if there is room for a copy."""
        taken = self.pool.take(1, alone=len(self.running) == 1)
        if taken is not None:
            self.copies.append((block, taken[0], count))
            job.table.extend(taken)
            job.read += count

    def go_on(self, group: Group, chosen: Sequence[tuple[int, int]]) -> None:
        """Let the texts of a group go on: each from one of those before (its number), with a token. Where several go on from
        one text they share its full blocks. Without memory for that the group gives way: its search will begin anew."""
        before, now = group.jobs, list[Job]()
        for number, job in enumerate(before):
            if all(number != parent for parent, _ in chosen):
                self.running.remove(job)
                self._give_back(job)
        for parent, _ in chosen:
            job = before[parent]
            another = self._twin(job) if job in now else job
            if another is None:
                group.jobs = list(dict.fromkeys([*now, *(before[p] for p, _ in chosen)]))
                self._preempt(job)
                return
            now.append(another)
        for job, (_, token) in zip(now, chosen, strict=True):
            job.ids.append(token)
        group.jobs = now
        self._jobs[now[0].request.id] = now[0]

    def _twin(self, job: Job) -> Job | None:
        """A running copy of a job that has read all its tokens; None without memory for it."""
        whole, more = divmod(job.read, BLOCK)
        block = self._room_for_twin(job) if more else array("i")
        if block is None:
            return None
        table = job.table[:whole] + block
        self.pool.hold(job.table[:whole])
        if more:
            self.copies.append((job.table[whole], block[0], more))
        twin = replace(job, ids=list(job.ids), table=table)
        if twin.source is not None:
            twin.source.holders += 1
        self.running.append(twin)
        return twin

    def _room_for_twin(self, job: Job) -> array[int] | None:
        """A block, if need be another request's; None where all the others are more urgent."""
        while True:
            alone = all(other.request is job.request for other in self.running)
            taken = self.pool.take(1, alone=alone)
            if taken is not None:
                return taken
            last = max(self.running, key=lambda j: j.urgency)
            if alone or last.request is job.request:
                return None
            self._preempt(last)

    def _piece(self, job: Job, most: int, guessed: Sequence[int] = ()) -> Piece | None:
        """The next tokens of a running job, once it has blocks for them; None when it had to give way."""
        stop = min(len(job.ids), job.read + most)
        guessed = tuple(guessed[: max(0, job.request.max_tokens - job.answered - 1)])  # nothing follows the last
        while job in self.running:
            missing = blocks_for(stop + len(guessed)) - len(job.table)
            alone = all(other.request is job.request for other in self.running)
            taken = self.pool.take(missing, alone) if missing > 0 else array("i")
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
        if piece.stop - piece.start >= ALIKE.start:
            self._remember_beginnings(piece)

    def _remember_beginnings(self, piece: Piece) -> None:
        job = piece.job
        for number in range(piece.start // BLOCK, blocks_for(piece.stop)):
            ids = job.ids[number * BLOCK : min((number + 1) * BLOCK, piece.stop)]
            before = job.table[number - 1] if number else None
            self.pool.remember_beginning(job.table[number], job.root, before, ids)
            self._filling.add(job.table[number])

    def _forget(self, piece: Piece) -> None:
        self.pool.forget(piece.job.table[piece.start // BLOCK :])

    def _preempt(self, job: Job) -> None:
        """A request gives way. A search begins anew: its texts are found again as they were."""
        self.preempted += 1
        for text in job.texts:
            self.running.remove(text)
            if text in self._planned:  # what it was to fill in this step stays empty
                self._forget(self._planned.pop(text))
            self._give_back(text)
        if job.group is not None:
            job.ids, job.group = list(job.request.reading), Group(job, job.group.beams.search)
            self._jobs[job.request.id] = job
        job.found = []
        heapq.heappush(self._waiting, (job.urgency, job))

    def _give_back(self, job: Job) -> None:
        self.pool.release(job.table)
        job.table, job.read, job.full = array("i"), 0, 0
        if job.source is not None:
            self.sources.release(job.source)
            job.source = None
