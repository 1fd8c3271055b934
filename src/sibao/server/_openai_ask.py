"""From prompts to the answers of a model: several at once, streams side by side, what they took together."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

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


async def streams(turn: Turn, asked: Work) -> AsyncGenerator[tuple[int, Delta]]:
    """The pieces of several answers as they come, each with its answer's number. As many as are worked on at once have begun
    when this returns; all the others have been checked. Closing the turn ends them.

    Raises:
        SibaoError: what is refused.
    """
    first, rest = asked[: turn.at_once], asked[turn.at_once :]
    if rest:
        await turn.check(rest)
    begun = await all_of([turn.stream(*one) for one in first])
    told = _together([*begun, *(turn.stream_later(*one) for one in rest)], turn.at_once)
    turn.ended_by(told.aclose)
    return told


async def _together(streams: Sequence[AsyncGenerator[Delta]], most: int) -> AsyncGenerator[tuple[int, Delta]]:
    if len(streams) == 1:
        async for delta in streams[0]:
            yield 0, delta
        return
    box: asyncio.Queue[tuple[int, Delta] | Exception | None] = asyncio.Queue(maxsize=1)
    todo = iter(enumerate(streams))

    async def read() -> None:
        try:
            for number, stream in todo:
                async with aclosing(stream):
                    async for delta in stream:
                        await box.put((number, delta))
            await box.put(None)
        except Exception as error:
            await box.put(error)

    tasks = [asyncio.create_task(read()) for _ in range(min(most, len(streams)))]
    try:
        running = len(tasks)
        while running:
            news = await box.get()
            if isinstance(news, Exception):
                raise news
            if news is None:
                running -= 1
            else:
                yield news
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
