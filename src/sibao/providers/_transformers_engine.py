"""Transformers' ``generate`` behind the engine's interface: requests in, events out, one token a step.

What is drawn is decided here, not there: a logits processor chooses each row's token with ``engine.sampling`` and leaves
it alone with a finite score, so that penalties, filters and seeds mean the same as in Sibao's own engine. A thread runs
``generate``; it waits until the events of a step were taken, so a closed stream ends within one token.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, Queue
from typing import Any

import torch
from torch import Tensor

from sibao.core.errors import BadInput, ContextOverflow
from sibao.engine import sampling
from sibao.engine.control import adjusted
from sibao.engine.job import Job
from sibao.engine.request import Event, Request, SequenceScore, check_ids
from sibao.engine.search import check_best
from sibao.engine.stream import Stream
from sibao.providers._transformers_load import quiet

MAX_BATCH = 16
SCORE_BYTES = 256 << 20
"""Memory of the logits of one scoring forward; one long text alone may take more."""


@dataclass(frozen=True)
class SeenRequest(Request):
    """A request with what the model sees: further inputs of its forward (``pixel_values`` ...), for one prompt."""

    seen: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """What the engine must know of a network. ``answer`` bounds the new tokens of an encoder-decoder, whose prompt and
    answer lie apart; 0 for all others. ``beams``: texts followed at once where the request does not say."""

    context: int
    vocab_size: int
    answer: int = 0
    beams: int = 1


class TransformersEngine:
    """Runs a network of Transformers. Requests submitted together are batched, those that see run alone."""

    def __init__(self, network: Any, shape: Shape, max_batch: int = MAX_BATCH) -> None:
        self.model, self.shape, self.max_batch = network.eval(), shape, max_batch
        self._runs: dict[str, _Run] = {}

    def check(self, request: Request) -> None:
        """Refuse a request that can never run.

        Raises:
            BadInput: an id in use, a token id out of range, an adapter, or more texts wanted than there are beams.
            ContextOverflow: prompt and new tokens do not fit.
        """
        if request.id in self._runs:
            raise BadInput(f"request id {request.id!r} is in use", hint="give each request its own id")
        if request.adapter is not None:
            raise BadInput(
                f"request {request.id!r} names the adapter {request.adapter!r}, this engine serves one model as loaded",
                hint="load the model with its adapter: NAME+ADAPTER_FOLDER",
            )
        check_best(request.sampling.num_return_sequences, beams_of(with_beams(request, self.shape.beams)))
        check_ids(request.prompt_ids, self.shape.vocab_size, f"prompt of request {request.id!r}")
        read, new = len(request.prompt_ids), request.max_tokens
        if not self.shape.answer and read + new > self.shape.context:
            raise ContextOverflow(read + new, self.shape.context)
        if self.shape.answer and read > self.shape.context:
            raise ContextOverflow(read, self.shape.context, what="the prompt's tokens")
        if self.shape.answer and new > self.shape.answer:
            raise ContextOverflow(new, self.shape.answer, what="the new tokens")

    def submit(self, *requests: Request) -> Stream:
        """Iterate over the events of these requests until all are finished; closing cancels those that still run.

        Raises what ``check`` raises; then none is run.
        """
        for request in requests:
            self.check(request)
        settled = [with_beams(request, self.shape.beams) for request in requests]
        runs = [_Run(self.model, batch) for batch in _batches(settled, self.max_batch)]
        self._runs |= {request.id: run for run in runs for request in run.requests}
        events = _events(runs)
        return Stream([request.id for request in requests], lambda: next(events), self._forget)

    def cancel(self, request_id: str) -> None:
        """End a request after the token under way; its last event says "cancelled". Unknown ids are ignored."""
        run = self._runs.get(request_id)
        if run is not None:
            run.cancelled.add(request_id)

    @property
    def busy(self) -> bool:
        """Whether any request waits or runs."""
        return bool(self._runs)

    def score(self, sequences: Sequence[tuple[list[int], int]]) -> list[SequenceScore]:
        """Log-probabilities of ``ids[start:]`` given what precedes each token, as ``engine.scoring`` gives them.

        Raises:
            BadInput: a start out of range or an unknown id. ContextOverflow: more tokens than the model holds.
        """
        for number, (ids, start) in enumerate(sequences):
            what = f"sequence {number}"
            if not 1 <= start < len(ids):
                raise BadInput(f"{what}: start is {start} in {len(ids)} tokens, wanted 1 to {len(ids) - 1}")
            check_ids(ids, self.shape.vocab_size, what)
            if len(ids) - 1 > self.shape.context:
                raise ContextOverflow(len(ids) - 1, self.shape.context, what=what)
        order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i][0]))
        found: dict[int, SequenceScore] = {}
        while order:
            longest = len(sequences[order[0]][0])
            size = min(self.max_batch, max(1, SCORE_BYTES // (4 * longest * self.shape.vocab_size)))
            batch, order = order[:size], order[size:]
            found |= zip(batch, self._score([sequences[i] for i in batch]), strict=True)
        return [found[i] for i in range(len(sequences))]

    @torch.inference_mode()
    def _score(self, batch: list[tuple[list[int], int]]) -> Iterator[SequenceScore]:
        """Right padding: no token looks at what stands after it."""
        width = max(len(ids) for ids, _ in batch) - 1
        rows = [ids[:-1] + [0] * (width - len(ids) + 1) for ids, _ in batch]
        mask = [[1] * (len(ids) - 1) + [0] * (width - len(ids) + 1) for ids, _ in batch]
        device = self.model.device
        inputs = {"input_ids": torch.tensor(rows, device=device), "attention_mask": torch.tensor(mask, device=device)}
        logits_BTV = self.model(**inputs, use_cache=False).logits
        return iter(
            [
                target_scores(logits_BTV[i, start - 1 : len(ids) - 1], ids[start:])
                for i, (ids, start) in enumerate(batch)
            ]
        )

    def _forget(self, ids: Iterable[str]) -> None:
        """Cancel what still runs and drop its events."""
        runs = {self._runs.pop(name) for name in ids if name in self._runs}
        for run in runs:
            if not any(request.id in self._runs for request in run.requests):
                run.close()


def target_scores(logits_TV: Tensor, targets: list[int]) -> SequenceScore:
    """Log-probability of each target under its row of logits, and whether it is the most likely token."""
    logits_TV = logits_TV.float()
    target_T = torch.tensor(targets, device=logits_TV.device)
    chosen = logits_TV.gather(-1, target_T[:, None])[:, 0]
    logprobs = chosen - logits_TV.logsumexp(-1)
    return SequenceScore(tuple(logprobs.tolist()), tuple((logits_TV.argmax(-1) == target_T).tolist()))


def _batches(requests: Sequence[Request], size: int) -> Iterator[list[Request]]:
    """Higher priority first, alike lengths together (less padding), then those that run alone."""
    blind = [r for r in requests if not _alone(r)]
    blind.sort(key=lambda r: (-r.priority, len(r.prompt_ids)))
    yield from (blind[i : i + size] for i in range(0, len(blind), size))
    yield from ([r] for r in requests if _alone(r))


def _alone(request: Request) -> bool:
    """What is seen belongs to one prompt, and a beam search has settings that hold for a whole call."""
    return bool(getattr(request, "seen", None)) or beams_of(request) > 1


def with_beams(request: Request, own: int) -> Request:
    """The request with the number of texts that are followed at once filled in: the model's own where nobody says."""
    sampling = request.sampling
    if sampling.num_beams is None and sampling.temperature == 0 and sampling.logprobs is None:
        return replace(request, sampling=replace(sampling, num_beams=own))
    return request


def beams_of(request: Request) -> int:
    """Texts that are followed at once."""
    return request.sampling.num_beams or 1


def _found(request: Request, new: list[int]) -> Event:
    """A text of a search, up to its end."""
    end = next((i for i, token in enumerate(new) if token in request.stop_ids), None)
    return Event(request.id, tuple(new[:end]), finish_reason="length" if end is None else "stop")


def _events(runs: list[_Run]) -> Iterator[Event]:
    for run in runs:
        yield from run


class _Run:
    """One batch under way: ``generate`` in a thread, its events through a queue that holds one step."""

    def __init__(self, network: Any, requests: list[Request]) -> None:
        self.network, self.requests = network, requests
        self.jobs = [Job(self._written(r), sampling.make_generator(r.sampling.seed)) for r in requests]
        self.cancelled: set[str] = set()
        self.open = {request.id for request in requests}
        self._closed = threading.Event()
        self._steps: Queue[list[Event]] = Queue(maxsize=1)
        self._thread = threading.Thread(target=self._work, name="transformers", daemon=True)

    def _written(self, request: Request) -> Request:
        """What the answer is appended to: of an encoder-decoder only the start token, not what the encoder reads."""
        if not self.network.config.is_encoder_decoder:
            return request
        return replace(request, prompt_ids=[self.network.generation_config.decoder_start_token_id or 0])

    def __iter__(self) -> Iterator[Event]:
        """All events; the work begins when the first is asked for."""
        self._thread.start()
        left = {request.id for request in self.requests}
        while left:
            for event in self._steps.get():
                if event.finish_reason is not None:
                    left.discard(event.id)
                yield event

    def close(self) -> None:
        """Stop after the token under way, and wait for that."""
        self._closed.set()
        while self._thread.is_alive():
            with suppress(Empty):  # it may be waiting for its last events to be taken
                self._steps.get_nowait()
            self._thread.join(0.002)

    def _work(self) -> None:
        try:
            with torch.inference_mode(), quiet():
                if beams_of(self.requests[0]) > 1:
                    self._search()
                else:
                    self._generate()
            rest = "Transformers ended early"
        except Exception as error:  # foreign code: whatever it raises ends these requests only
            rest = f"{type(error).__name__}: {error}"
        self._tell([Event(name, finish_reason="error", error=rest) for name in sorted(self.open)])

    def _generate(self) -> None:
        from transformers.generation.logits_process import LogitsProcessorList
        from transformers.generation.stopping_criteria import StoppingCriteriaList

        self.network.generate(
            **self._inputs(),
            max_new_tokens=max(request.max_tokens for request in self.requests),
            logits_processor=LogitsProcessorList([self._choose]),
            stopping_criteria=StoppingCriteriaList([self._ended]),
        )

    def _search(self) -> None:
        """Beam search as Transformers does it: the most likely texts found, told at once when they are found. Without their
        scores, which it gives only with those of every step and token."""
        from transformers.generation.stopping_criteria import StoppingCriteriaList

        request, inputs = self.requests[0], self._inputs()
        penalty = request.sampling.length_penalty
        made = self.network.generate(
            **inputs,
            max_new_tokens=request.max_tokens,
            num_beams=beams_of(request),
            num_return_sequences=request.sampling.num_return_sequences,
            repetition_penalty=request.sampling.repetition_penalty,
            **({} if penalty is None else {"length_penalty": penalty}),
            eos_token_id=sorted(request.stop_ids) or None,
            stopping_criteria=StoppingCriteriaList([self._stopped]),
        )
        before = 1 if self.network.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        best, *others = (_found(request, row[before:]) for row in made.tolist())
        self.open.discard(request.id)
        self._tell([replace(best, others=tuple(others))])

    def _stopped(self, ids_BT: Tensor, scores: object, **_: object) -> Tensor:
        """Ends every beam once the request is cancelled or its stream closed."""
        gone = self._closed.is_set() or self.requests[0].id in self.cancelled
        return torch.full((ids_BT.shape[0],), gone, device=ids_BT.device)

    def _inputs(self) -> dict[str, Any]:
        """Left padding (right for an encoder, whose prompt ends where it ends) with its mask."""
        device = self.network.device
        width = max(len(request.prompt_ids) for request in self.requests)
        gaps = [width - len(request.prompt_ids) for request in self.requests]
        right = bool(self.network.config.is_encoder_decoder)
        pad, hidden, shown = ([0] * gap for gap in gaps), ([0] * gap for gap in gaps), ([1] * (width - g) for g in gaps)
        ids = [_padded(r.prompt_ids, p, right) for r, p in zip(self.requests, pad, strict=True)]
        mask = [_padded(s, h, right) for s, h in zip(shown, hidden, strict=True)]
        seen = {k: v.to(device) for k, v in getattr(self.requests[0], "seen", {}).items()}
        return {
            "input_ids": torch.tensor(ids, device=device),
            "attention_mask": torch.tensor(mask, device=device),
            **seen,
        }

    def _choose(self, ids_BT: Tensor, logits_BV: Tensor) -> Tensor:
        """Leave each row one token: the chosen one, or 0 for rows that are finished."""
        rows = [i for i, job in enumerate(self.jobs) if job.request.id in self.open]
        jobs = [self.jobs[i] for i in rows]
        raw = logits_BV[rows].float()
        ready, failed = adjusted(jobs, raw)
        chosen = sampling.choose(ready, [j.request.sampling for j in jobs], [j.generator for j in jobs])
        picks, events = [0] * len(self.jobs), list[Event]()
        for k, (row, token) in enumerate(zip(rows, chosen, strict=True)):
            events.append(self._event(jobs[k], failed.get(k, token), raw[k]))
            picks[row] = token if isinstance(token, int) else 0
        self._tell(events)
        alone = torch.full_like(logits_BV, sampling.NEVER)
        return alone.scatter_(1, torch.tensor(picks, device=logits_BV.device)[:, None], 0.0)

    def _event(self, job: Job, token: object, logits_V: Tensor) -> Event:
        """What the engine of Sibao would tell of this token."""
        name, wanted = job.request.id, job.request.sampling.logprobs
        if name in self.cancelled:
            event = Event(name, finish_reason="cancelled")
        elif not isinstance(token, int):
            event = Event(name, finish_reason="error", error=str(token))
        elif token in job.request.stop_ids:
            event = Event(name, finish_reason="stop")
        else:
            job.ids.append(token)
            scores = () if wanted is None else (sampling.token_score(logits_V, token, wanted),)
            full = job.answered == job.request.max_tokens
            event = Event(name, (token,), scores, "length" if full else None)
        if event.finish_reason is not None:
            self.open.discard(name)
        return event

    def _ended(self, ids_BT: Tensor, scores: object, **_: object) -> Tensor:
        """Rows that need no more tokens."""
        done = [self._closed.is_set() or job.request.id not in self.open for job in self.jobs]
        return torch.tensor(done, device=ids_BT.device)

    def _tell(self, events: list[Event]) -> None:
        if events and not self._closed.is_set():
            self._steps.put(events)


def _padded(row: list[int], gap: list[int], right: bool) -> list[int]:
    return [*row, *gap] if right else [*gap, *row]
