"""The engine: requests in, events out. Continuous batching over a cache in blocks, on any network that is a ``Runner``.

Each step reads one token of every request that writes and some of the prompts of others, in one pass through the network,
and chooses the next tokens. Requests that begin alike share what is kept of their beginnings.

With an exact runner (the kernels of ``engine.native``) a request's tokens are the same to the bit alone and in any batch.
With PyTorch's own operators they may differ where two tokens' scores differ by rounding alone: matrix products of other
shapes round differently in the last bits.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sibao.core.errors import BadInput, ModelError, SibaoError
from sibao.core.fair_lock import FairLock
from sibao.engine import sampling
from sibao.engine.adapters import Adapter
from sibao.engine.admission import check_request, check_sequences
from sibao.engine.blocks import BlockPool
from sibao.engine.control import adjusted, prepare, takes_the_best
from sibao.engine.group import broken, candidates
from sibao.engine.job import Job, Piece
from sibao.engine.likeliest import taken
from sibao.engine.reading import adapted_models, scores_of, step_of
from sibao.engine.request import Event, Request, SequenceScore
from sibao.engine.runner import Runner
from sibao.engine.scheduler import Scheduler
from sibao.engine.speculation import Guesser, Lookups
from sibao.engine.stream import Steps, Stream
from sibao.engine.writing import Writing, take_likeliest
from sibao.nn.network import Network

log = logging.getLogger("sibao.engine")


@dataclass
class Counts:
    """What an engine has done: steps, tokens read and written, tokens guessed and how many of them were right."""

    steps: int = 0
    read: int = 0
    written: int = 0
    guessed: int = 0
    right: int = 0


class Engine:
    """Safe to use from several threads: one steps, the others take their events.

    Args:
        runner: the network and its cache.
        max_batch: requests that write at once; the others wait.
        cache_blocks: how many blocks may be in use while several requests run (one alone may take all that the runner
            has); None: all.
        guesser: guesses tokens that are read along; None: the text itself does (``engine.speculation``), where that
            changes no answer, which is where the runner is exact.
    """

    def __init__(
        self, runner: Runner, max_batch: int = 16, cache_blocks: int | None = None, guesser: Guesser | None = None
    ) -> None:
        if max_batch < 1:
            raise BadInput(f"max_batch is {max_batch}, at least 1 is needed")
        self.runner, self.config = runner, runner.config
        self._guesser, self.speculate = guesser, True
        pool = BlockPool(runner.blocks, runner.blocks if cache_blocks is None else cache_blocks)
        self._scheduler = Scheduler(max_batch, pool)
        self.better: Callable[[], Engine | None] | None = None
        """Asked while nothing runs: an engine that computes the same faster, from then on in place of this one."""
        self.counts = Counts()
        self.driver: Steps | None = None
        """A thread that steps for all; None: whoever waits for an event does."""
        self.lock = FairLock()
        self._outboxes: dict[str, deque[Event]] = {}
        self._loose: list[Event] = []
        self._scorings = itertools.count()

    def check(self, request: Request) -> Adapter | None:
        """Refuse a request that can never run, before it is queued.

        Returns:
            its adapter as it is now, if it names one.

        Raises:
            BadInput: an id in use, and what ``admission.check_request`` raises.
        """
        if request.id in self._scheduler:
            raise BadInput(f"request id {request.id!r} is in use", hint="give each request its own id")
        return check_request(request, self.runner)

    def add(self, request: Request) -> None:
        """Queue a request; its events come from ``step``. Raises what ``check`` raises."""
        with self.lock:
            self.improve()
            adapter = self.check(request)
            self._scheduler.add(Job(request, sampling.make_generator(request.sampling.seed), adapter))

    def improve(self) -> None:
        """While nothing runs: compute as ``better`` says, if it has an answer by now."""
        if self.better is None or self.busy:
            return
        if (found := self.better()) is not None:
            self.runner, self._scheduler, self.better = found.runner, found._scheduler, None

    @property
    def guesser(self) -> Guesser | None:
        """What guesses tokens that are read along: who was given, else the text itself, where the runner is exact."""
        if self._guesser is None and self.speculate and self.runner.exact:
            self._guesser = Lookups()
        return self._guesser if self.speculate else None

    @guesser.setter
    def guesser(self, guesser: Guesser | None) -> None:
        self._guesser, self.speculate = guesser, guesser is not None

    def submit(self, *requests: Request) -> Stream:
        """Queue requests and iterate over their events, as they come, until all are finished.

        Closing the iterator cancels those that still run. When one is refused, none is queued.
        """
        box: deque[Event] = deque()
        ids = [request.id for request in requests]
        with self.lock:
            for number, request in enumerate(requests):
                try:
                    self.add(request)
                except SibaoError:
                    self._drop(ids[:number])
                    raise
            self._outboxes |= dict.fromkeys(ids, box)
        return Stream(ids, lambda: self._next_event(box), self._drop)

    def step(self) -> list[Event]:
        """One round of work for all requests; events of those that were added with ``add``. Empty when idle."""
        with self.lock:
            if not self._loose:
                self._advance()
            out, self._loose = self._loose, []
            return out

    def cancel(self, request_id: str) -> None:
        """End a request now; its last event says "cancelled". Unknown and finished ids are ignored."""
        with self.lock:
            if request_id in self._scheduler:
                self._finish(request_id, Event(request_id, finish_reason="cancelled"))

    def fail_all(self, message: str) -> None:
        """End every request with an error."""
        with self.lock:
            for name in self._scheduler.ids:
                self._fail(name, message)

    @property
    def gave_way(self) -> int:
        """How often a request had to give its part of the cache to a more urgent one."""
        return self._scheduler.preempted

    @property
    def held(self) -> int:
        """Blocks of the cache that requests hold now."""
        return self._scheduler.pool.held

    @property
    def model(self) -> Network:
        """The network in PyTorch, for what does not go through the queue."""
        return self.runner.model

    @property
    def busy(self) -> bool:
        """Whether any request waits or runs, or an event waits to be taken by ``step``."""
        return bool(len(self._scheduler) or self._loose)

    def score(
        self, sequences: Sequence[tuple[list[int], int]], sources: Sequence[Sequence[int]] | None = None
    ) -> list[SequenceScore]:
        """Natural-log probability of each of ``ids[start:]`` given all tokens before it, and its source if there are any.

        Beginnings that several sequences have in common are read once; other requests go on meanwhile.

        Args:
            sequences: (ids, start) with 1 <= start < len(ids): the first token has nothing before it.

        Returns:
            One result per sequence, in order, with ``len(ids) - start`` entries.

        Raises:
            BadInput: a start out of range or an id that the model does not know.
            ContextOverflow: more tokens than the model holds.
            ModelError: the machine failed.
        """
        check_sequences(sequences, self.config)
        number = next(self._scorings)
        requests = [
            Request(
                f"score {number}.{i}", ids, max_tokens=0, score_from=start,
                source_ids=None if sources is None else tuple(sources[i]),
            )
            for i, (ids, start) in enumerate(sequences)
        ]  # fmt: skip
        found: dict[str, SequenceScore] = {}
        # neighbours in this order have the longest beginnings in common
        with self.submit(*sorted(requests, key=lambda r: (r.source_ids or (), r.prompt_ids))) as events:
            for event in events:
                if event.error:
                    raise ModelError(f"scoring failed: {event.error}", hint="score fewer or shorter texts at once")
                if event.scored is not None:
                    found[event.id] = event.scored
        return [found[request.id] for request in requests]

    @torch.inference_mode()
    def _advance(self) -> None:
        """A step. A fault ends the requests that it was for, and nothing that it was to keep is found any more."""
        pieces: list[Piece] | None = None
        try:
            pieces = self._scheduler.plan(None if self.guesser is None else self.guesser.guess)
            if pieces:
                self._work(pieces)
        except BaseException as error:
            self._scheduler.copies = []
            self._give_up(self._scheduler.planned, error, self._scheduler.ids if pieces is None else ())
            if not isinstance(error, Exception):  # somebody ends this thread
                raise
            if not isinstance(error, RuntimeError | MemoryError):  # a fault of the program, not of the machine
                log.exception("a step failed; its requests end")

    def _work(self, pieces: list[Piece]) -> None:
        models, lost = adapted_models(self.runner.adapters, pieces)
        for adapter, why in lost.items():
            self._give_up([piece for piece in pieces if piece.job.adapter == adapter], why)
        pieces = [piece for piece in pieces if piece.job.adapter not in lost]
        step = step_of(pieces, models)
        step.copies, self._scheduler.copies = self._scheduler.copies, []
        step.reads = list(self._scheduler.sources.unread)
        if not pieces:
            return
        self.counts.steps += 1
        self.counts.read += len(step.ids) + sum(len(source.ids) for source in step.reads)
        prepare([piece.job for piece in pieces if piece.writes])
        logits = scores_of(self.runner, pieces, step)
        for job in [piece.job for piece in pieces if piece.last and not piece.job.request.max_tokens]:
            self._finish(job.request.id, Event(job.request.id, finish_reason="length", scored=job.scored()))
        self._emit([piece for piece in pieces if piece.writes], logits)

    def _give_up(self, pieces: Sequence[Piece], why: BaseException, others: Iterable[str] = ()) -> None:
        """Pieces were not read: their requests end, each once (the texts of a search are one), and ``others`` too."""
        self._scheduler.failed(pieces)
        for name in dict.fromkeys([*(piece.job.request.id for piece in pieces), *others]):
            if name in self._scheduler:
                self._fail(name, f"{type(why).__name__}: {why}")

    def _emit(self, pieces: list[Piece], logits_BV: Tensor) -> None:
        """Choose the next tokens, one of each request at a time: after a guess that was right there is one more."""
        row, going, searched = 0, list[Writing](), dict[Job, int]()
        for piece in pieces:
            if piece.job.group is None:
                going.append(Writing(piece, row))
            else:
                searched[piece.job] = row
            row += 1 + len(piece.guessed)
        all_of_them = list(going)
        take_likeliest([writing for writing in going if takes_the_best(writing.piece.job)], logits_BV)
        while going := [writing for writing in going if writing.on]:
            jobs = [writing.piece.job for writing in going]
            logits = taken(logits_BV, [writing.row for writing in going])
            ready, failed = adjusted(jobs, logits)
            chosen = sampling.choose(ready, [job.request.sampling for job in jobs], [job.generator for job in jobs])
            for i, (writing, token) in enumerate(zip(going, chosen, strict=True)):
                writing.take(failed.get(i) or token, logits[i])
        for writing in all_of_them:
            self._tell(writing)
        if searched:
            self._search(searched, logits_BV)

    def _search(self, rows: dict[Job, int], logits_BV: Tensor) -> None:
        """Each search takes a step: one token more for all its texts, or its end."""
        groups = dict.fromkeys(job.group for job in rows if job.group is not None)
        for group, scores, tokens in candidates(list(groups), rows, logits_BV):
            if group.jobs[0] not in self._scheduler.running:  # it gave way to one before it
                continue
            if broken(scores):
                self._fail(group.jobs[0].request.id, "the model gives no numbers")
            elif going := group.beams.advance(scores, tokens):
                self._scheduler.go_on(group, going)
            else:
                event = group.event()
                self.counts.written += len(event.token_ids)
                self._finish(event.id, event)

    def _tell(self, writing: Writing) -> None:
        """One event of all that a step brought a request."""
        job, piece = writing.piece.job, writing.piece
        if self.guesser is not None:
            self.guesser.told(job, len(piece.guessed), writing.right)
        job.read += writing.right
        self.counts.written += len(writing.tokens)
        self.counts.guessed += len(piece.guessed)
        self.counts.right += writing.right
        scored = job.scored() if job.answered == len(writing.tokens) else None
        event = Event(
            job.request.id, tuple(writing.tokens), tuple(writing.scores), writing.reason, writing.error, scored,
            reused=job.reused,
        )  # fmt: skip
        (self._deliver if writing.reason is None else self._end)(event)

    def _end(self, event: Event) -> None:
        self._finish(event.id, event)

    def _fail(self, name: str, message: str) -> None:
        self._finish(name, Event(name, finish_reason="error", error=message))

    def _finish(self, name: str, event: Event) -> None:
        self._remove(name)
        self._deliver(event)

    def _remove(self, name: str) -> None:
        job = self._scheduler.remove(name)
        if self.guesser is not None:
            self.guesser.forget(job)

    def _deliver(self, event: Event) -> None:
        outbox = self._outboxes.get(event.id)
        (self._loose if outbox is None else outbox).append(event)

    def _next_event(self, box: deque[Event]) -> Event:
        """The next event of submitted requests; works until there is one, or waits where another works."""
        if self.driver is not None:
            self.driver.wait(box)
            return box.popleft()
        while True:
            with self.lock:  # for one step: others may ask and cancel between two
                if box:
                    return box.popleft()
                self._advance()

    def _drop(self, ids: Iterable[str]) -> None:
        """Cancel what still runs and deliver nothing more."""
        with self.lock:
            for name in ids:
                if name in self._scheduler:
                    self._remove(name)
                self._outboxes.pop(name, None)
