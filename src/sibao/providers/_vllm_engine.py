"""vLLM's engine behind the interface of Sibao's: requests in, events out.

One thread steps at a time and puts what comes for others into their outboxes, as ``engine.engine`` does.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput, ContextOverflow
from sibao.engine.request import Event, Request, SequenceScore, TokenScore, check_ids
from sibao.engine.stream import Stream
from sibao.text._grammars import format_grammar

ENDS = {"stop": "stop", "length": "length", "abort": "cancelled"}
"""What vLLM calls the end of an answer, and what Sibao does; any other one is an error."""
_FORMS = {"regex": "regex", "grammar": "grammar", "choice": "choices"}


@dataclass(frozen=True)
class Shape:
    """What must be known of the model: tokens that it holds, words, and the adapter that it carries."""

    context: int
    vocab_size: int
    adapter: Path | None = None


@dataclass(frozen=True)
class FormRequest(Request):
    """A request with the form of its answer, as ``structure`` gives it."""

    form: Mapping[str, Any] | None = None


def structure(response_format: Mapping[str, Any]) -> dict[str, Any] | None:
    """A ``response_format`` as the fields of vLLM's ``StructuredOutputsParams``; None where any text will do.

    Raises:
        BadInput: a form that cannot be compiled.
    """
    if format_grammar(response_format) is None:
        return None
    kind = str(response_format["type"])
    if kind == "json_object":
        return {"json": {"type": "object"}}
    if kind == "json_schema":
        return {"json": response_format["json_schema"]["schema"]}
    value = response_format[_FORMS[kind]]
    return {kind: list(value) if kind == "choice" else value}


def parameters(request: Request) -> dict[str, Any]:
    """What vLLM's ``SamplingParams`` are made of; ``structured_outputs`` holds fields of its ``StructuredOutputsParams``.

    Raises:
        BadInput: a setting that vLLM does not have.
    """
    s = request.sampling
    lacking = [
        name
        for name, asked in (
            ("num_beams", (s.num_beams or 1) > 1), ("num_return_sequences", s.num_return_sequences != 1),
            ("typical_p", s.typical_p != 1.0),
        )
        if asked
    ]  # fmt: skip
    if lacking:
        raise BadInput(f"vLLM does not know {', '.join(lacking)}", hint="leave it out, or leave out vllm: in the name")
    return {
        "temperature": s.temperature,
        "top_k": s.top_k,
        "top_p": s.top_p,
        "min_p": s.min_p,
        "repetition_penalty": s.repetition_penalty,
        "presence_penalty": s.presence_penalty,
        "frequency_penalty": s.frequency_penalty,
        "logit_bias": dict(s.logit_bias) or None,
        "seed": s.seed,
        "logprobs": s.logprobs,
        "max_tokens": request.max_tokens,
        "min_tokens": s.min_tokens,
        "stop_token_ids": sorted(request.stop_ids),
        "ignore_eos": True,  # the tokens that end an answer are those of ``stop_token_ids``
        "detokenize": False,  # text and stop strings are made here
        "structured_outputs": getattr(request, "form", None),
    }


def scoring(ids: Sequence[int]) -> dict[str, Any]:
    """The same for a text whose tokens are scored: vLLM writes one token at least."""
    return {"temperature": 0.0, "max_tokens": 1, "prompt_logprobs": 0, "detokenize": False, "ignore_eos": True}


def _made(fields: Mapping[str, Any]) -> Any:
    """vLLM's own objects; each step tells the new tokens only."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    form = fields.get("structured_outputs")
    made = {"structured_outputs": StructuredOutputsParams(**form)} if form else {"structured_outputs": None}
    return SamplingParams(**{**fields, **made}, output_kind=RequestOutputKind.DELTA)


def _adapter(folder: Path) -> Any:
    from vllm.lora.request import LoRARequest

    return LoRARequest(folder.name, 1, str(folder))


class VllmEngine:
    """Runs requests on an ``LLMEngine`` of vLLM.

    Args:
        engine: has ``add_request``, ``step`` and ``abort_request``.
        made, adapter: how its parameters and its adapters are made.
    """

    def __init__(
        self,
        engine: Any,
        shape: Shape,
        made: Callable[[Mapping[str, Any]], Any] = _made,
        adapter: Callable[[Path], Any] = _adapter,
    ) -> None:
        self.shape, self._engine, self._made = shape, engine, made
        self._adapter = None if shape.adapter is None else adapter(shape.adapter)
        self._requests: dict[str, Request | None] = {}
        self._outboxes: dict[str, deque[Any]] = {}
        self._lock = threading.RLock()
        self._scorings = itertools.count()

    @property
    def busy(self) -> bool:
        """Whether any request waits or runs."""
        return bool(self._requests)

    def check(self, request: Request) -> None:
        """Refuse a request that can never run.

        Raises:
            BadInput: an id in use, an adapter, a token id out of range, or a setting that vLLM does not have.
            ContextOverflow: prompt and new tokens do not fit.
        """
        if request.id in self._requests:
            raise BadInput(f"request id {request.id!r} is in use", hint="give each request its own id")
        if request.adapter is not None:
            raise BadInput(
                f"request {request.id!r} names the adapter {request.adapter!r}, vLLM serves one model as loaded",
                hint="load the model with its adapter: NAME+ADAPTER_FOLDER",
            )
        check_ids(request.prompt_ids, self.shape.vocab_size, f"prompt of request {request.id!r}")
        if len(request.prompt_ids) + request.max_tokens > self.shape.context:
            raise ContextOverflow(len(request.prompt_ids) + request.max_tokens, self.shape.context)
        parameters(request)

    def submit(self, *requests: Request) -> Stream:
        """Queue requests and iterate over their events until all are finished; closing cancels those that still run.

        Raises what ``check`` raises; then none is run.
        """
        box: deque[Any] = deque()
        with self._lock:
            for request in requests:
                self.check(request)
            for request in requests:
                self._add(request.id, request.prompt_ids, parameters(request), request, box)
        return Stream([request.id for request in requests], lambda: self._event(box), self._drop)

    def cancel(self, request_id: str) -> None:
        """End a request now; its last event says "cancelled". Unknown and finished ids are ignored."""
        with self._lock:
            if self._requests.pop(request_id, None) is not None:
                self._engine.abort_request([request_id])
                self._outboxes[request_id].append(Event(request_id, finish_reason="cancelled"))

    def score(self, sequences: Sequence[tuple[list[int], int]]) -> list[SequenceScore]:
        """Natural-log probability of each of ``ids[start:]`` given all tokens before it; see ``engine.engine.Engine.score``.

        Raises:
            BadInput: a start out of range or an unknown id. ContextOverflow: more tokens than the model holds.
        """
        for number, (ids, start) in enumerate(sequences):
            if not 1 <= start < len(ids):
                raise BadInput(f"sequence {number}: start is {start} in {len(ids)} tokens, wanted 1 to {len(ids) - 1}")
            check_ids(ids, self.shape.vocab_size, f"sequence {number}")
            if len(ids) - 1 > self.shape.context:
                raise ContextOverflow(len(ids) - 1, self.shape.context, what=f"sequence {number}")
        batch = next(self._scorings)
        names = [f"score {batch}.{i}" for i in range(len(sequences))]
        box: deque[Any] = deque()
        with self._lock:
            for name, (ids, _) in zip(names, sequences, strict=True):
                self._add(name, ids, scoring(ids), None, box)
        found: dict[str, SequenceScore] = {}
        try:
            while len(found) < len(names):
                output = self._next(box)
                ids, start = sequences[names.index(output.request_id)]
                found[output.request_id] = scored(output.prompt_logprobs, ids, start)
        finally:
            self._drop(names)
        return [found[name] for name in names]

    def _add(self, name: str, ids: Sequence[int], fields: Mapping[str, Any], request: Request | None, box: Any) -> None:
        extra = {} if self._adapter is None else {"lora_request": self._adapter}
        self._engine.add_request(name, {"prompt_token_ids": list(ids)}, self._made(fields), **extra)
        self._requests[name], self._outboxes[name] = request, box

    def _event(self, box: deque[Any]) -> Event:
        found = self._next(box)
        return found if isinstance(found, Event) else event(found[0], found[1])

    def _next(self, box: deque[Any]) -> Any:
        """What comes next for these requests; works until there is something."""
        with self._lock:
            while not box:
                for output in self._engine.step():
                    self._deliver(output)
            return box.popleft()

    def _deliver(self, output: Any) -> None:
        name = output.request_id
        if name not in self._requests:  # it was cancelled while the step ran
            return
        request = self._requests[name]
        if output.finished:
            del self._requests[name]
        if request is not None:
            self._outboxes[name].append((request, output))
        elif output.finished:
            self._outboxes[name].append(output)

    def _drop(self, ids: Iterable[str]) -> None:
        """Cancel what still runs and deliver nothing more."""
        with self._lock:
            gone = [name for name in ids if self._outboxes.pop(name, None) is not None]
            running = [name for name in gone if name in self._requests]
            for name in running:
                del self._requests[name]
            if running:
                self._engine.abort_request(running)


def event(request: Request, output: Any) -> Event:
    """What vLLM tells of a request, as Sibao's engine tells it: without the token that ended the answer."""
    (part,) = output.outputs
    ids = list(part.token_ids)
    reason = None if part.finish_reason is None else ENDS.get(part.finish_reason, "error")
    if reason == "stop" and ids and ids[-1] in request.stop_ids:
        ids.pop()
    asked = request.sampling.logprobs
    scores = (
        ()
        if asked is None
        else tuple(_score(row, token, asked) for row, token in zip(part.logprobs, ids, strict=False))
    )
    error = f"vLLM ended it: {part.finish_reason}" if reason == "error" else ""
    return Event(request.id, tuple(ids), scores, reason, error)  # type: ignore[arg-type]


def _score(row: Mapping[int, Any], token: int, asked: int) -> TokenScore:
    """One token's log-probability and the likeliest ones, best first; vLLM adds the chosen one where it is not among them."""
    best = sorted(((entry.rank, word, entry.logprob) for word, entry in row.items() if entry.rank <= asked))
    return TokenScore(row[token].logprob, tuple((word, logprob) for _, word, logprob in best))


def scored(rows: Sequence[Mapping[int, Any] | None], ids: Sequence[int], start: int) -> SequenceScore:
    """Of vLLM's ``prompt_logprobs`` those of ``ids[start:]``: entry i is of token i given those before it."""
    entries = [row[token] for row, token in zip(rows[start:], ids[start:], strict=True) if row is not None]
    return SequenceScore(tuple(e.logprob for e in entries), tuple(e.rank == 1 for e in entries))
