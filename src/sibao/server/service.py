"""What every route works with: the models, the keys, the counts, and one turn of one caller with one model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from sibao.core.errors import Refused
from sibao.core.types import Completion, Delta, GenerateOptions, Usage
from sibao.providers._answers import Answer
from sibao.server.counters import Counters
from sibao.server.desk import Asked
from sibao.server.errors import gemini_key
from sibao.server.hall import Guest, Hall
from sibao.server.keys import Caller, Keys
from sibao.server.options import ServeOptions

T = TypeVar("T")
Work = Sequence[tuple[Asked, GenerateOptions]]
GONE = 499
"""nginx's status for a client that went away; nobody reads it but the log."""


class Service:
    """One server's state."""

    def __init__(self, options: ServeOptions) -> None:
        self.options = options
        self.hall, self.keys, self.counters = Hall(options), Keys(options.keys), Counters()
        self.draining = False

    def caller(self, request: Request) -> Caller:
        """Who asks.

        Raises:
            Refused: a key is missing or not known.
        """
        if isinstance(known := request.scope.get("caller"), Caller):
            return known
        bearer = request.headers.get("authorization", "")
        key = bearer[7:].strip() if bearer[:7].lower() == "bearer " else gemini_key(request)
        caller = self.keys.caller(key)
        request.scope.setdefault("audit", {})["key"] = caller.name
        request.scope["caller"] = caller
        return caller

    async def turn(self, request: Request, model: str | None) -> Turn:
        """A model for this request. ``close`` it, or use it with ``async with``.

        Raises:
            Refused: a limit is reached, or the key has a budget and nobody knows the model's price.
            UnknownName: the model is not served. ModelError: it cannot be loaded.
        """
        caller = self.caller(request)
        caller.admit()
        stack = AsyncExitStack()
        guest = await until_gone(request, stack.enter_async_context(self.hall.visit(model)))
        request.scope.setdefault("audit", {})["model"] = guest.entry.id
        if caller.budget is not None and guest.price is None:
            await stack.aclose()
            raise Refused(
                403, f"nobody knows the price of {guest.entry.id!r}, and the key {caller.name!r} has a budget",
                hint="add the price to the catalogue of models, or take a key without a budget",
            )  # fmt: skip
        return Turn(self, request, caller, guest, stack)


class Turn:
    """One caller's use of one model."""

    def __init__(self, service: Service, request: Request, caller: Caller, guest: Guest, stack: AsyncExitStack) -> None:
        self.service, self.request, self.caller, self.guest = service, request, caller, guest
        self._stack = stack
        self.model = guest.entry.id

    async def __aenter__(self) -> Turn:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End what still streams and leave the model to others."""
        await self._stack.aclose()

    def ended_by(self, end: Callable[[], Awaitable[None]]) -> None:
        """Something that closing the turn ends too."""
        self._stack.push_async_callback(end)

    def handed_on(self) -> Turn:
        """The same turn for another owner, who closes it; closing this one does nothing then."""
        return Turn(self.service, self.request, self.caller, self.guest, self._stack.pop_all())

    async def complete(self, asked: Work) -> list[Completion]:
        """All answers, in order, worked on together. A client that goes away ends them.

        Raises:
            Refused: it took too long (504), or the client has gone. SibaoError: what the model raises.
        """
        found = await self._each(asked, self.guest.desk.complete)
        for completion in found:
            self.record(completion)
        return found

    async def echo(self, asked: Work) -> list[Answer]:
        """All answers, with their prompts' own log-probabilities.

        Raises:
            BadInput: the model does not tell them. Refused, SibaoError: as ``complete``.
        """
        found = await self._each(asked, self.guest.desk.echo)
        for answer in found:
            self.record(answer.completion())
        return found

    async def _each(
        self, asked: Work, ask: Callable[[Asked, GenerateOptions, float], Coroutine[Any, Any, T]]
    ) -> list[T]:
        seconds = self.service.options.seconds
        work = [ask(prompt, self.guest.options(options), seconds) for prompt, options in asked]
        return await until_gone(self.request, all_of(work))

    async def stream(self, prompt: Asked, options: GenerateOptions) -> AsyncGenerator[Delta]:
        """The pieces of an answer; the first has been waited for, so that what is refused raises here. Closing the turn ends
        them.

        Raises:
            Refused: it took too long, or the client has gone. SibaoError: what the model raises.
        """
        pieces = self.guest.desk.stream(prompt, self.guest.options(options), self.service.options.seconds)
        self._stack.push_async_callback(pieces.aclose)
        first = await until_gone(self.request, anext(pieces))
        going = self._going_on(first, pieces)
        self._stack.push_async_callback(going.aclose)
        return going

    async def _going_on(self, first: Delta, pieces: AsyncGenerator[Delta]) -> AsyncGenerator[Delta]:
        async with aclosing(pieces):
            delta = first
            while True:
                if delta.completion is not None:
                    self.record(delta.completion)
                yield delta
                if delta.completion is not None:
                    return
                try:
                    delta = await anext(pieces)
                except TimeoutError:
                    raise late(self.service.options.seconds) from None

    async def in_thread(self, call: Callable[..., T], *values: Any) -> T:
        """A call that computes, in a thread; the answer is waited for even if the client has gone."""
        return await asyncio.to_thread(call, *values)

    def record(self, completion: Completion) -> None:
        """Count an answer."""
        self.count(completion.usage, completion.first_token_seconds)

    def count(self, usage: Usage, first_token_seconds: float = 0.0) -> None:
        """Count tokens, for the key's limits, the counters and the log."""
        cost = 0.0 if self.guest.price is None else self.guest.price.cost(usage)
        self.caller.used(usage.prompt_tokens + usage.completion_tokens, cost)
        self.service.counters.answered(self.model, usage, first_token_seconds)
        audit = self.request.scope.setdefault("audit", {})
        for name in ("prompt_tokens", "completion_tokens"):
            audit[name] = audit.get(name, 0) + getattr(usage, name)


def service_of(request: Request) -> Service:
    """The server's state, as a dependency of routes."""
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(service_of)]
"""A parameter of routes."""


async def all_of(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Results in order; where one fails the others end."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


async def until_gone(request: Request, work: Awaitable[T]) -> T:
    """What it gives; given up when the client goes away.

    Raises:
        Refused: the client has gone, or it took too long.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Refused(GONE, "the client has gone")
        return task.result()
    except TimeoutError:
        raise late(request.app.state.service.options.seconds) from None
    finally:
        for one in (task, gone):
            if not one.done():
                one.cancel()
                await asyncio.wait({one})


def late(seconds: float) -> Refused:
    """The refusal of what took longer."""
    return Refused(
        504, f"the answer was not ready after {seconds:g} s", hint="ask for fewer tokens, or raise --timeout"
    )


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
