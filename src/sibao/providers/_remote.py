"""A hosted model: a wire format over a transport, with the interface of every other model.

It knows neither keys nor tries (``_http``) nor any provider's fields (``_openai_wire``, ``_gemini_wire``).
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol, TypeVar

from sibao.core.errors import ContextOverflow, ProviderError, UnknownName
from sibao.core.types import Completion, Delta, GenerateOptions, Prompt, Usage, as_prompts
from sibao.providers._calls import Call, Deltas
from sibao.providers._estimate import estimate
from sibao.providers._http import Transport
from sibao.providers._openai_wire import DONE
from sibao.providers._refusals import line
from sibao.providers._side_by_side import side_by_side
from sibao.providers._wire import Ask, Counts, Heard, Piece, Wire

log = logging.getLogger("sibao.remote")
AT_ONCE = 8
"""Requests under way at the same time for one call of ``generate``."""
UNLIMITED = 1 << 20
"""Context of a model whose interface names none; the server refuses what is too long, with its own numbers."""
LINGER = 0.1
"""Seconds for the end of a stream behind its last event: a connection that is read to its end is used again."""
SPARE = 256
COUNTED = 4096
_NOT_TAKEN = re.compile(r"[Uu]nsupported (?:value|parameter): '(\w+)'")
T = TypeVar("T")


@dataclass(frozen=True)
class About:
    """What is known of a hosted model. ``model``: its name over there; ``counts``: how the server counts a prompt (None:
    ``count`` is an estimate); ``names``: asks for the models that there are."""

    model: str
    context: int = UNLIMITED
    counts: Callable[[Prompt], int] | None = None
    names: Callable[[], list[str]] | None = None


class Bill(Protocol):
    """Who pays for what a hosted model does. Its methods are called from several threads."""

    def paid(self, usage: Usage) -> None:
        """An answer came."""
        ...

    def lost(self, usage: Usage) -> bool:
        """A request was sent, not refused, and brought nothing: so much may have to be paid. Whether it may be sent again."""
        ...


class RemoteModel:
    """Implements ``core.types.Model``. Several prompts are asked side by side. Answers come whole from ``generate``, so that
    there the first token has waited as long as the last one; ``stream`` tells it apart. ``bill`` (None: nobody) is told what
    each request costs, also where its answer is lost, or comes beside one that failed."""

    def __init__(self, name: str, transport: Transport, wire: Wire, about: About) -> None:
        self.name, self.context = name, about.context
        self.transport, self.about, self._wire = transport, about, wire
        self._counts = None if about.counts is None else _remembered(about.counts)
        self.bill: Bill | None = None
        self._spare: dict[str, Completion] = {}
        self._without: set[str] = set()

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """Complete every prompt; one completion per prompt, in order.

        Raises:
            BadInput: an option that the interface does not take; then nothing is sent.
            ProviderError, ContextOverflow: the server refuses or fails. What it has answered of the others is given out
            when it is asked again, and not paid twice.
        """
        options = options or GenerateOptions()
        asks = [(self._wire.ask(prompt, options, stream=False), prompt) for prompt in as_prompts(prompts)]
        came: list[tuple[Ask, Completion]] = []

        def complete(one: tuple[Ask, Prompt]) -> Completion:
            completion = self._complete(*one, options.max_tokens)
            came.append((one[0], completion))
            return completion

        try:
            done = side_by_side(complete, asks, AT_ONCE)
            for fault in done:
                if isinstance(fault, Exception):
                    raise fault
        except BaseException:  # the user's interrupt, too
            for ask, completion in came:
                self._keep(ask, completion)
            raise
        return [one for one in done if isinstance(one, Completion)]

    def answered(self, prompts: Sequence[Prompt], options: GenerateOptions) -> list[Completion | None]:
        """What ``generate`` had of these prompts when it failed or was interrupted; it is given out once."""
        digests = [_digest(self._wire.ask(prompt, options, stream=False)) for prompt in prompts]
        found = [self._spare.get(digest) for digest in digests]
        for digest in digests:
            self._spare.pop(digest, None)
        return found

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Deltas:
        """Complete one prompt piece by piece. Closing the iterator closes the connection; another thread may cancel it.

        Raises:
            BadInput: as ``generate``, at once. ProviderError: as ``generate``; ``retryable`` where the answer broke off.
        """
        options = options or GenerateOptions()
        ask, call = self._wire.ask(prompt, options, stream=True), self.transport.call()
        return Deltas(self._deltas(ask, prompt, call, options.max_tokens), call)

    def count(self, prompt: Prompt) -> int:
        """Tokens of the prompt: the server's count where it has one, else an estimate (see ``_estimate``)."""
        return estimate(prompt) if self._counts is None else self._counts(prompt)

    def pay(self, usage: Usage) -> None:
        """Tell the bill of an answer."""
        if self.bill is not None:
            self.bill.paid(usage)

    def lost(self, prompt: Prompt, most: int) -> bool:
        """Tell the bill of a request that brought nothing, whose answer may have ``most`` tokens; whether it may be sent
        again."""
        return self.bill is None or self.bill.lost(
            Usage(estimate(prompt), most)
        )  # a server that fails is not asked to count

    def close(self) -> None:
        """End its connections."""
        self.transport.close()

    def understood(self, read: Callable[[], T]) -> T:
        """What ``read`` finds in an answer.

        Raises:
            ProviderError: the answer has another form.
        """
        try:
            return read()
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
            what = f"{type(error).__name__} {line(self.transport.key.hide(str(error)))[:80]}"
            raise ProviderError(
                f"{self.name}: the answer has another form ({what})",
                hint=f"is {self.transport.place.base} the address?",
            ) from None

    def asked(self, send: Callable[[], T]) -> T:
        """What ``send`` brings; a model that is not there is told with the names of those that are.

        Raises:
            UnknownName: so. Others as ``send``.
        """
        try:
            return send()
        except ProviderError as error:
            if error.status != 404:
                raise
            known = self._known()
            if not known or self.about.model in known:
                error.message = f"{error.message}; asked for the model {self.about.model!r}"
                error.args = (error.message,)
                raise
        raise UnknownName(f"model at {self.transport.place.host}", self.about.model, known)

    def _known(self) -> list[str]:
        try:
            return [] if self.about.names is None else self.understood(self.about.names)
        except (ProviderError, ContextOverflow):
            return []

    def _complete(self, ask: Ask, prompt: Prompt, most: int) -> Completion:
        if (spare := self._spare.pop(_digest(ask), None)) is not None:
            return spare
        begun = time.perf_counter()
        lost = partial(self.lost, prompt, most)
        found = self._adapted(ask, lambda body: self.transport.json("POST", ask.path, body, lost))
        try:
            piece = self.understood(lambda: self._wire.read(found))
        except ProviderError:
            lost()
            raise
        seconds = time.perf_counter() - begun
        usage = (piece.counts or Counts()).usage(prompt, piece.text)
        self.pay(usage)
        return Completion(piece.text, piece.finish or "error", usage, seconds, seconds, piece.logprobs)

    def _deltas(self, ask: Ask, prompt: Prompt, call: Call, most: int) -> Iterator[Delta]:
        begun, lost = time.perf_counter(), partial(self.lost, prompt, most)
        events = self._adapted(ask, lambda body: self.transport.events(ask.path, body, call, self._opens, lost))
        try:
            last = yield from self._told(events, prompt, call, begun)
        except BaseException:  # also where nobody wants to hear the rest
            lost()
            raise
        self.pay(last.usage)
        yield Delta("", last)

    def _told(
        self, events: Generator[str, None, None], prompt: Prompt, call: Call, begun: float
    ) -> Generator[Delta, None, Completion]:
        """The pieces of a stream that has begun, and what they make."""
        first, heard = 0.0, Heard()
        with closing(events):
            for data in events:
                if not data.strip():
                    continue  # a sign of life
                if data.strip() == DONE:
                    call.linger(LINGER)
                    with suppress(ProviderError):
                        next(events, None)
                    break
                piece = self._heard(data)
                heard.take(piece)
                if piece.text or piece.logprobs:
                    first = first or time.perf_counter() - begun
                    yield Delta(piece.text, None, piece.logprobs)
        if heard.finish is None:
            raise ProviderError(
                f"{self.name}: the answer broke off after {len(heard.text)} characters",
                hint="ask again", retryable=True,
            )  # fmt: skip
        usage, seconds = heard.counts.usage(prompt, heard.text), time.perf_counter() - begun
        return Completion(heard.text, heard.finish, usage, seconds, first or seconds, tuple(heard.logprobs))

    def _opens(self, data: str) -> bool:
        """Whether an event says something, or that there is nothing more."""
        if data.strip() in ("", DONE):
            return bool(data.strip())
        piece = self._heard(data)
        return bool(piece.text or piece.logprobs or piece.finish)

    def _heard(self, data: str) -> Piece:
        found = self.transport.parse(data)
        if found.get("error"):
            raise self.transport.failed(data)
        return self.understood(lambda: self._wire.piece(found))

    def _adapted(self, ask: Ask, send: Callable[[dict[str, object]], T]) -> T:
        """Send a request; a model that chooses its own temperature (OpenAI's that reason) is asked without the greedy one."""
        while True:
            body = {key: value for key, value in ask.body.items() if key not in self._without}
            try:
                return self.asked(lambda: send(body))  # noqa: B023 (called at once)
            except ProviderError as error:
                found = _NOT_TAKEN.search(error.message) if error.status == 400 else None
                if found is None or found[1] != "temperature" or body.get("temperature") != 0:
                    raise
                log.warning("%s takes no temperature: it draws its answers, and they may differ", self.name)
                self._without.add("temperature")

    def _keep(self, ask: Ask, completion: Completion) -> None:
        if len(self._spare) < SPARE:
            self._spare[_digest(ask)] = completion


def _digest(ask: Ask) -> str:
    return ask.path + json.dumps(ask.body, sort_keys=True, default=repr)


def _remembered(counts: Callable[[Prompt], int]) -> Callable[[Prompt], int]:
    """Counting costs a request: the same prompt is counted once."""

    @lru_cache(COUNTED)
    def kept(text: str) -> int:
        return counts(json.loads(text))

    return lambda prompt: kept(json.dumps(prompt, ensure_ascii=False)) if _plain(prompt) else counts(prompt)


def _plain(prompt: Prompt) -> bool:
    return isinstance(prompt, str) or all(isinstance(message.get("content"), str) for message in prompt)
