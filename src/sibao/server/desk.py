"""One model at work for many callers: requests from the event loop to the engine's thread, and their text back.

A model with an engine of Sibao's is stepped by one thread (``engine.driver``), and ``_news`` brings what it wrote to the
event loop. Any other model (hosted, Transformers' own) answers in threads.

What an answer took is told when it ends, in whatever way: who goes away in the middle pays for what was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sibao.core.errors import BadInput, ModelError, SibaoError
from sibao.core.types import Completion, Delta, GenerateOptions, Model, Prompt, Usage
from sibao.engine.driver import Driver
from sibao.engine.engine import Engine
from sibao.providers._answers import Answer
from sibao.providers._estimate import estimate
from sibao.providers.local import LocalModel, is_tokens
from sibao.server._news import News

Asked = Prompt | Sequence[int]
"""A prompt, or its tokens."""
Paid = Callable[[Usage, float | None], object]
"""Is told once, in the event loop, what an answer took, and the seconds to its first token where there was one."""
THREADS = 16
"""Threads of one model: all that it does where it has no engine of Sibao's, else those who wait for its vectors. They keep no
thread from other models."""
PROMPTS = ThreadPoolExecutor(8, "prompts")
"""Threads in which prompts are made ready for Sibao's engines: a moment each, and nobody waits for what takes long."""
T = TypeVar("T")


@dataclass(frozen=True)
class Terms:
    """Of one answer: ``seconds`` that it may take, who is told what it took, and the ``group`` of those who ask: of several
    groups that wait each begins one answer in turn."""

    seconds: float
    paid: Paid | None = None
    group: str | None = None


class Desk:
    """``model``, for callers in any event loop and any thread."""

    def __init__(self, model: Model) -> None:
        self.model: Any = model
        engine = getattr(model, "engine", None)
        self._news = News()
        self.driver = (
            Driver(engine, self._news.tell) if isinstance(engine, Engine) and hasattr(model, "begin") else None
        )
        self._threads = ThreadPoolExecutor(THREADS, "answers")

    def close(self) -> None:
        """Put the model away; nothing may run."""
        if self.driver is not None:
            self.driver.close()
        elif hasattr(self.model, "close"):
            self.model.close()
        self._threads.shutdown(wait=False)

    async def complete(self, prompt: Asked, options: GenerateOptions, terms: Terms) -> Completion:
        """The whole answer. Cancelling the task ends the request within a step.

        Raises:
            SibaoError: what the model's ``generate`` raises; a fault of the machine is a ``ModelError``.
        """
        async with aclosing(self.stream(prompt, options, terms)) as deltas:
            async for delta in deltas:
                if delta.completion is not None:
                    return delta.completion
        raise ModelError("the model ended without an answer")

    def stream(self, prompt: Asked, options: GenerateOptions, terms: Terms) -> AsyncGenerator[Delta]:
        """The answer piece by piece; what is refused raises before the first piece. Closing it ends the request.

        Raises:
            TimeoutError: it took longer than it may.
        """
        end = asyncio.get_running_loop().time() + terms.seconds
        if self.driver is None:
            return self._in_thread(prompt, options, end, _Bill(terms.paid))
        return self._on_engine(self.driver, prompt, options, end, _Bill(terms.paid), terms.group)

    async def echo(self, prompt: Asked, options: GenerateOptions, terms: Terms) -> Answer:
        """The whole answer, with the log-probabilities of the prompt's own tokens, from the second on, in ``scored``.

        Raises:
            BadInput: the model does not give these. SibaoError, TimeoutError: as ``complete`` and ``stream``.
        """
        end = asyncio.get_running_loop().time() + terms.seconds
        if self.driver is None or not isinstance(self.model, LocalModel):
            raise BadInput(
                f"{self.model.name} does not tell its prompt's log-probabilities", hint="leave out echo or logprobs"
            )
        answer = await asyncio.wrap_future(PROMPTS.submit(self._begin, prompt, options, terms.group, echo=True))
        async with aclosing(self._answered(self.driver, answer, end, _Bill(terms.paid))) as deltas:
            async for _ in deltas:
                continue
        return answer

    def check(self, asked: Iterable[tuple[Asked, GenerateOptions]]) -> None:
        """Refuse what could not be answered, before anything is begun; in a thread.

        Raises:
            SibaoError: as ``stream``.
        """
        for prompt, options in asked if self.driver is not None else ():
            self._begin(prompt, options)

    def submit(self, call: Callable[..., T], *values: Any, long: bool = False) -> Future[T]:
        """A call in a thread. What asks the model itself keeps to the model's own threads: all that a model elsewhere does,
        and what takes ``long``."""
        pool = PROMPTS if self.driver is not None and not long else self._threads
        return pool.submit(call, *values)

    async def _on_engine(
        self, driver: Driver, prompt: Asked, options: GenerateOptions, end: float, bill: _Bill, group: str | None
    ) -> AsyncGenerator[Delta]:
        answer = await asyncio.wrap_future(PROMPTS.submit(self._begin, prompt, options, group))
        async with aclosing(self._answered(driver, answer, end, bill)) as deltas:
            async for delta in deltas:
                yield delta

    async def _answered(self, driver: Driver, answer: Answer, end: float, bill: _Bill) -> AsyncGenerator[Delta]:
        name, told, failed = answer.request.id, 0, ""
        box = self._news.open(name, end)
        driver.ask(answer.request)
        try:
            while answer.reason is None:
                text = ""
                for event in await box.get():
                    text += answer.take(event)
                    failed = event.error or failed
                if failed:
                    raise ModelError(f"the answer could not be finished: {failed}", hint="ask again, or for less")
                if text or answer.reason is not None:
                    done = None if answer.reason is None else answer.completion()
                    if done is not None:
                        bill.pay(done.taken, done.first_token_seconds)
                    scores, told = tuple(answer.scores[told:]), len(answer.scores)
                    yield Delta(text, done, scores)
        finally:
            self._news.close(name)
            driver.cancel(name)
            if answer.tokens or not failed:
                bill.pay(answer.completion().taken, None if answer.first is None else answer.first - answer.started)

    def _begin(self, prompt: Asked, options: GenerateOptions, group: str | None = None, **how: bool) -> Answer:
        """In a thread: a long prompt takes long to encode, and an adapter to be read."""
        answer: Answer = self.model.begin(prompt, options, **how)
        answer.request = replace(answer.request, group=group)
        self.model.engine.check(answer.request)
        return answer

    async def _in_thread(
        self, prompt: Asked, options: GenerateOptions, end: float, bill: _Bill
    ) -> AsyncGenerator[Delta]:
        if is_tokens(prompt) and not isinstance(self.model, LocalModel):
            raise BadInput(f"{self.model.name} takes text, not tokens", hint="send the prompt as text")
        work = _InThread(self.model, prompt, options)
        try:
            while True:
                async with asyncio.timeout_at(end):
                    delta = await asyncio.wrap_future(self._threads.submit(work.next))
                if delta is None:
                    return
                work.text += delta.text
                if delta.completion is not None:
                    bill.pay(delta.completion.taken, delta.completion.first_token_seconds)
                yield delta
        finally:
            if (usage := work.usage()) is not None:
                bill.pay(usage, None)
            await asyncio.shield(asyncio.to_thread(work.close))


class _Bill:
    """Tells what an answer took, once."""

    def __init__(self, paid: Paid | None) -> None:
        self._paid = paid

    def pay(self, usage: Usage, first: float | None) -> None:
        """This much; nothing where it has been told."""
        paid, self._paid = self._paid, None
        if paid is not None:
            paid(usage, first)


class _InThread:
    """An answer of a model that blocks; ``next`` is called in a thread. ``text``: what has come so far."""

    def __init__(self, model: Any, prompt: Asked, options: GenerateOptions) -> None:
        self._model, self._prompt, self._options = model, prompt, options
        self._pieces: Iterator[Delta] | None = None
        self._asked = self._refused = self._closed = False
        self.text = ""

    def next(self) -> Delta | None:
        """The next piece; None behind the last one."""
        self._asked = True
        try:
            if self._pieces is None:
                self._pieces = self._model.stream(self._prompt, self._options)
            return None if self._closed else next(self._pieces, None)
        except SibaoError:
            self._refused = True
            raise

    def usage(self) -> Usage | None:
        """What an answer without an end took, estimated; None where it was refused, or nobody was asked."""
        if not self._asked or (self._refused and not self.text):
            return None
        known = is_tokens(self._prompt)
        return Usage(len(self._prompt) if known else estimate(self._prompt), estimate(self.text))  # type: ignore[arg-type]

    def close(self) -> None:
        """End it. A hosted model's answer ends even while a thread waits for it, any other one with the step that it is in."""
        self._closed, pieces = True, self._pieces
        cancel, close = getattr(pieces, "cancel", None), getattr(pieces, "close", None)
        try:
            if cancel is not None:
                cancel()
            if close is not None:
                close()
        except ValueError:
            return
