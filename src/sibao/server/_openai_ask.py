"""From a prompt to the answers of a model: how many tokens there is room for, several answers at once, streams side by side."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any, cast

from sibao import __version__
from sibao.core.errors import ContextOverflow
from sibao.core.types import Completion, Delta, GenerateOptions, Prompt, Usage
from sibao.providers.local import LocalModel
from sibao.server._limit import USUAL, new_tokens
from sibao.server.desk import Asked
from sibao.server.service import Turn, Work, all_of

FINGERPRINT = f"sibao-{__version__}"
AUTO = -1
"""``max_tokens`` of options that leave the number to ``roomy``."""


def new_id(kind: str) -> str:
    """An id of an answer; ``kind`` is its beginning."""
    return kind + secrets.token_hex(14)


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


def roomy(model: Any, prompt: Asked, options: GenerateOptions) -> tuple[Asked, GenerateOptions]:
    """A prompt as its tokens, where the model is Sibao's own, and options with a number of new tokens. Computes: call it in a
    thread.

    Raises:
        BadInput: a prompt without a token. ContextOverflow: it leaves no room for a token.
    """
    if isinstance(model, LocalModel) and not _are_ids(prompt):
        prompt = model.encode(cast(Prompt, prompt))
    if options.max_tokens != AUTO:
        return prompt, options
    if not isinstance(model, LocalModel):
        return prompt, replace(options, max_tokens=new_tokens(model, cast(Prompt, prompt), None))
    left = model.context - len(prompt)
    if left < 1:
        raise ContextOverflow(len(prompt) + 1, model.context, what="the prompt and one new token")
    return prompt, replace(options, max_tokens=min(left, USUAL))


def _are_ids(prompt: Asked) -> bool:
    return not isinstance(prompt, str) and bool(prompt) and isinstance(prompt[0], int)


def used(completions: Sequence[Completion], answers: int = 1) -> Usage:
    """What the answers took together; a prompt with several ``answers`` counts once."""
    total = Usage()
    for number, completion in enumerate(completions):
        one = completion.usage
        total += one if number % answers == 0 else Usage(0, one.completion_tokens)
    return total


async def together(streams: Sequence[AsyncGenerator[Delta]]) -> AsyncGenerator[tuple[int, Delta]]:
    """The pieces of several answers as they come, each with its answer's number."""
    if len(streams) == 1:
        async for delta in streams[0]:
            yield 0, delta
        return
    box: asyncio.Queue[tuple[int, Delta | Exception | None]] = asyncio.Queue(maxsize=1)

    async def read(number: int) -> None:
        try:
            async for delta in streams[number]:
                await box.put((number, delta))
            await box.put((number, None))
        except Exception as error:
            await box.put((number, error))

    tasks = [asyncio.create_task(read(number)) for number in range(len(streams))]
    try:
        running = len(tasks)
        while running:
            number, news = await box.get()
            if isinstance(news, Exception):
                raise news
            if news is None:
                running -= 1
            else:
                yield number, news
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def streams(turn: Turn, asked: Work) -> list[AsyncGenerator[Delta]]:
    """Begun answers; each has its first piece.

    Raises:
        SibaoError: what is refused.
    """
    return await all_of([turn.stream(*one) for one in asked])
