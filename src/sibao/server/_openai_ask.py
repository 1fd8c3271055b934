"""From prompts to the answers of a model: several at once, streams side by side, what they took together."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Sequence

from sibao import __version__
from sibao.core.types import Completion, Delta, Usage
from sibao.server.service import Turn, Work, all_of

FINGERPRINT = f"sibao-{__version__}"


def new_id(kind: str) -> str:
    """An id of an answer; ``kind`` is its beginning."""
    return kind + secrets.token_hex(14)


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


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
