"""One model at work for many callers: requests from the event loop to the engine's thread, and their text back.

A model with an engine of Sibao's is stepped by one thread (``engine.driver``), and ``_news`` brings what it wrote to the
event loop. Any other model (hosted, Transformers' own) answers in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from typing import Any

from sibao.core.errors import BadInput, ModelError
from sibao.core.types import Completion, Delta, GenerateOptions, Model, Prompt
from sibao.engine.driver import Driver
from sibao.engine.engine import Engine
from sibao.providers._answers import Answer
from sibao.providers.local import LocalModel, is_tokens
from sibao.server._news import News

Asked = Prompt | Sequence[int]
"""A prompt, or its tokens."""
THREADS = 16
"""Answers of a model without an engine of Sibao's that are worked on at once; they keep no thread from other models."""


class Desk:
    """``model``, for callers in any event loop and any thread."""

    def __init__(self, model: Model) -> None:
        self.model: Any = model
        engine = getattr(model, "engine", None)
        self._news = News()
        self.driver = (
            Driver(engine, self._news.tell) if isinstance(engine, Engine) and hasattr(model, "begin") else None
        )
        self._threads = None if self.driver is not None else ThreadPoolExecutor(THREADS, "answers")

    def close(self) -> None:
        """Put the model away; nothing may run."""
        if self.driver is not None:
            self.driver.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    async def complete(self, prompt: Asked, options: GenerateOptions, seconds: float) -> Completion:
        """The whole answer, within so many seconds. Cancelling the task ends the request within a step.

        Raises:
            SibaoError: what the model's ``generate`` raises; a fault of the machine is a ``ModelError``.
        """
        async with aclosing(self.stream(prompt, options, seconds)) as deltas:
            async for delta in deltas:
                if delta.completion is not None:
                    return delta.completion
        raise ModelError("the model ended without an answer")

    def stream(self, prompt: Asked, options: GenerateOptions, seconds: float) -> AsyncGenerator[Delta]:
        """The answer piece by piece; what is refused raises before the first piece. Closing it ends the request.

        Raises:
            TimeoutError: after so many seconds.
        """
        end = asyncio.get_running_loop().time() + seconds
        return (self._on_engine if self.driver is not None else self._in_thread)(prompt, options, end)

    async def echo(self, prompt: Asked, options: GenerateOptions, seconds: float) -> Answer:
        """The whole answer, with the log-probabilities of the prompt's own tokens, from the second on, in ``scored``.

        Raises:
            BadInput: the model does not give these. SibaoError, TimeoutError: as ``complete`` and ``stream``.
        """
        end = asyncio.get_running_loop().time() + seconds
        if self.driver is None or not isinstance(self.model, LocalModel):
            raise BadInput(
                f"{self.model.name} does not tell its prompt's log-probabilities", hint="leave out echo or logprobs"
            )
        answer = await asyncio.to_thread(self._begin, prompt, options, echo=True)
        async with aclosing(self._answered(self.driver, answer, end)) as deltas:
            async for _ in deltas:
                continue
        return answer

    async def _on_engine(self, prompt: Asked, options: GenerateOptions, end: float) -> AsyncGenerator[Delta]:
        if self.driver is None:
            raise ModelError("the model has no engine")
        answer = await asyncio.to_thread(self._begin, prompt, options)
        async with aclosing(self._answered(self.driver, answer, end)) as deltas:
            async for delta in deltas:
                yield delta

    async def _answered(self, driver: Driver, answer: Answer, end: float) -> AsyncGenerator[Delta]:
        name, told = answer.request.id, 0
        box = self._news.open(name, end)
        driver.ask(answer.request)
        try:
            while answer.reason is None:
                failed = ""
                text = ""
                for event in await box.get():
                    text += answer.take(event)
                    failed = event.error or failed
                if failed:
                    raise ModelError(f"the answer could not be finished: {failed}", hint="ask again, or for less")
                if text or answer.reason is not None:
                    done = None if answer.reason is None else answer.completion()
                    scores, told = tuple(answer.scores[told:]), len(answer.scores)
                    yield Delta(text, done, scores)
        finally:
            self._news.close(name)
            driver.cancel(name)

    def _begin(self, prompt: Asked, options: GenerateOptions, **how: bool) -> Answer:
        """In a thread: a long prompt takes long to encode, and an adapter to be read."""
        answer: Answer = self.model.begin(prompt, options, **how)
        self.model.engine.check(answer.request)
        return answer

    async def _in_thread(self, prompt: Asked, options: GenerateOptions, end: float) -> AsyncGenerator[Delta]:
        if is_tokens(prompt) and not isinstance(self.model, LocalModel):
            raise BadInput(f"{self.model.name} takes text, not tokens", hint="send the prompt as text")
        run = partial(asyncio.get_running_loop().run_in_executor, self._threads)
        pieces: Iterator[Delta] = await run(self.model.stream, prompt, options)
        try:
            while True:
                async with asyncio.timeout_at(end):
                    delta = await run(next, pieces, None)
                if delta is None:
                    return
                yield delta
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                await asyncio.shield(run(_close, close))


def _close(close: Any) -> None:
    """A generator that still computes in another thread cannot be closed; it ends with that step."""
    try:
        close()
    except ValueError:
        return
