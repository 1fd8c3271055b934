"""From prompts to the answers of a model: several at once, streams side by side, what they took together."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from sibao import __version__
from sibao.core.errors import ModelError
from sibao.core.types import Completion, Delta, Sampling, Usage
from sibao.server._openai_form import SamplingForm
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


def ways(form: SamplingForm, logprobs: int | None = None) -> list[Sampling]:
    """How each of the ``n`` answers to a prompt is drawn; one for all of them where they are the best texts of a search.

    Raises:
        BadInput: see ``SamplingForm.sampling``.
    """
    if (form.num_beams or 1) > 1:
        return [replace(form.sampling(logprobs=logprobs), num_return_sequences=form.n or 1)]
    return [form.sampling(logprobs=logprobs, number=number) for number in range(form.n or 1)]


def texts_of(completion: Completion, wanted: int) -> list[Completion]:
    """All texts of an answer, best first.

    Raises:
        ModelError: there are fewer than ``wanted``, for almost every token was forbidden.
    """
    found = [completion, *completion.others]
    if len(found) < wanted:
        raise ModelError(f"the search found {len(found)} texts, {wanted} were wanted", hint="ask for fewer")
    return found


async def complete(turn: Turn, asked: Work) -> list[Completion]:
    """The whole answers, those of a search one after another. Raises what ``Turn.complete`` and ``texts_of`` raise."""
    found = await turn.complete(asked)
    best = asked[0][1].sampling.num_return_sequences
    return [one for completion in found for one in texts_of(completion, best)]


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
    best = asked[0][1].sampling.num_return_sequences
    return told if best == 1 else _spread(told, best)


async def _spread(told: AsyncGenerator[tuple[int, Delta]], best: int) -> AsyncGenerator[tuple[int, Delta]]:
    """Each text of a search under its own number."""
    async for number, delta in told:
        yield number * best, delta
        if delta.completion is not None:
            for place, other in enumerate(texts_of(delta.completion, best)[1:], number * best + 1):
                yield place, Delta(other.text, other)


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
