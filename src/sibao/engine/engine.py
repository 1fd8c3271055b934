"""The engine, first form: continuous batching over one key/value cache, in plain PyTorch.

Each step decodes one token for every running request in one forward, then admits and prefills waiting ones. It is
written to be read and trusted: faster engines pass the same contract test (``tests/contract/test_engine.py``) and are
compared with this one. On CPU in fp32 a request's tokens are the same alone and in any batch, except where two tokens'
scores differ by rounding alone (matrix products of other shapes round differently in the last bits).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from sibao.core.errors import BadInput, ContextOverflow, SibaoError
from sibao.engine import sampling
from sibao.engine.control import adjusted
from sibao.engine.reading import decode, prefill
from sibao.engine.request import Event, Request, SequenceScore, check_ids
from sibao.engine.scheduler import Job, Scheduler, prefill_groups
from sibao.engine.scoring import score_sequences
from sibao.engine.slots import Slots
from sibao.engine.stream import Stream
from sibao.nn.decoder import Decoder


class Engine:
    """Requests in, events out. Safe to use from several threads: one steps, the others take their events.

    Args:
        model: in evaluation mode, on its device, in its precision; the cache takes the same.
        max_batch: requests that run at once; the others wait.
        cache_bytes: memory of the cache while several requests run (one request alone may take more).
    """

    def __init__(self, model: Decoder, max_batch: int = 16, cache_bytes: int = 1 << 30) -> None:
        if max_batch < 1:
            raise BadInput(f"max_batch is {max_batch}, at least 1 is needed")
        weight = next(model.parameters())
        self.model = model.eval()
        self._scheduler = Scheduler(max_batch)
        self._slots = Slots(model.config, weight.dtype, weight.device, cache_bytes)
        self._lock = threading.RLock()
        self._outboxes: dict[str, deque[Event]] = {}
        self._loose: list[Event] = []

    def check(self, request: Request) -> None:
        """Refuse a request that can never run, before it is queued.

        Raises:
            BadInput: an id in use, a token id out of range, or an adapter.
            ContextOverflow: prompt and new tokens together exceed the model's positions.
        """
        if request.id in self._scheduler:
            raise BadInput(f"request id {request.id!r} is in use", hint="give each request its own id")
        check_ids(request.prompt_ids, self.model.config.vocab_size, f"prompt of request {request.id!r}")
        needed, limit = len(request.prompt_ids) + request.max_tokens, self.model.config.max_position_embeddings
        if needed > limit:
            raise ContextOverflow(needed, limit)
        if request.adapter is not None:
            raise BadInput(
                f"request {request.id!r} names the adapter {request.adapter!r}, this engine serves one model as loaded",
                hint="load the model with its adapter: NAME+ADAPTER_FOLDER",
            )

    def add(self, request: Request) -> None:
        """Queue a request; its events come from ``step``. Raises what ``check`` raises."""
        with self._lock:
            self.check(request)
            self._scheduler.add(Job(request, sampling.make_generator(request.sampling.seed)))

    def submit(self, *requests: Request) -> Stream:
        """Queue requests and iterate over their events, as they come, until all are finished.

        Closing the iterator cancels those that still run. When one is refused, none is queued.
        """
        box: deque[Event] = deque()
        ids = [request.id for request in requests]
        with self._lock:
            for number, request in enumerate(requests):
                try:
                    self.add(request)
                except SibaoError:
                    self._forget(ids[:number])
                    raise
            self._outboxes |= dict.fromkeys(ids, box)
        return Stream(ids, lambda: self._next_event(box), self._forget)

    def step(self) -> list[Event]:
        """One round of work for all requests; events of those that were added with ``add``. Empty when idle."""
        with self._lock:
            if not self._loose:
                self._advance()
            out, self._loose = self._loose, []
            return out

    def cancel(self, request_id: str) -> None:
        """End a request now; its last event says "cancelled". Unknown and finished ids are ignored."""
        with self._lock:
            if request_id in self._scheduler:
                self._finish(request_id, Event(request_id, finish_reason="cancelled"))

    @property
    def busy(self) -> bool:
        """Whether any request waits or runs, or an event waits to be taken by ``step``."""
        return bool(len(self._scheduler) or self._loose)

    def score(self, sequences: Sequence[tuple[list[int], int]]) -> list[SequenceScore]:
        """Log-probabilities of ``ids[start:]`` given what precedes each token; see ``engine.scoring``."""
        return score_sequences(self.model, sequences)

    @torch.inference_mode()
    def _advance(self) -> None:
        if self._scheduler.running:
            self._work(list(self._scheduler.running), lambda jobs: decode(self.model, self._slots, jobs))
        used = len(self._scheduler.running)
        for group in prefill_groups(self._scheduler.admit(self._fits)):
            self._work(group, lambda jobs: self._prefill(jobs, used))

    def _prefill(self, jobs: list[Job], used: int) -> Tensor:
        """Logits after each prompt. ``used`` rows hold the text of requests that were running before."""
        everyone = self._scheduler.running
        self._slots.reserve(len(everyone), max(job.room for job in everyone), used)
        return prefill(self.model, self._slots, jobs)

    def _work(self, jobs: list[Job], read: Callable[[list[Job]], Tensor]) -> None:
        """Read and choose. A fault of the machine (no memory) ends these requests, not the engine."""
        try:
            logits_BV = read(jobs)
        except (RuntimeError, MemoryError) as error:
            for job in jobs:
                self._fail(job, f"{type(error).__name__}: {error}")
        else:
            self._emit(jobs, logits_BV)

    def _fits(self, job: Job) -> bool:
        together = [*self._scheduler.running, job]
        return self._slots.fits(len(together), max(other.room for other in together))

    def _emit(self, jobs: list[Job], logits_BV: Tensor) -> None:
        """Choose each row's token, and tell."""
        settings = [job.request.sampling for job in jobs]
        ready, failed = adjusted(jobs, logits_BV)
        chosen = sampling.choose(ready, settings, [job.generator for job in jobs])
        for i, (job, token) in enumerate(zip(jobs, chosen, strict=True)):
            name = job.request.id
            if i in failed or not isinstance(token, int):
                self._fail(job, failed.get(i) or str(token))
            elif token in job.request.stop_ids:
                self._finish(name, Event(name, finish_reason="stop"))
            else:
                job.ids.append(token)
                wanted = settings[i].logprobs
                scores = () if wanted is None else (sampling.token_score(logits_BV[i], token, wanted),)
                if job.answered == job.request.max_tokens:
                    self._finish(name, Event(name, (token,), scores, "length"))
                else:
                    self._deliver(Event(name, (token,), scores))

    def _fail(self, job: Job, message: str) -> None:
        self._finish(job.request.id, Event(job.request.id, finish_reason="error", error=message))

    def _finish(self, name: str, event: Event) -> None:
        self._remove(name)
        self._deliver(event)

    def _remove(self, name: str) -> None:
        move = self._scheduler.remove(name)
        if move is not None:
            source, target = move
            self._slots.move(source, target, len(self._scheduler.running[target].ids))

    def _deliver(self, event: Event) -> None:
        outbox = self._outboxes.get(event.id)
        (self._loose if outbox is None else outbox).append(event)

    def _next_event(self, box: deque[Event]) -> Event:
        """The next event of submitted requests; works until there is one."""
        with self._lock:
            while not box:
                self._advance()
            return box.popleft()

    def _forget(self, ids: Iterable[str]) -> None:
        """Cancel what still runs and deliver nothing more."""
        with self._lock:
            for name in ids:
                if name in self._scheduler:
                    self._remove(name)
                self._outboxes.pop(name, None)
