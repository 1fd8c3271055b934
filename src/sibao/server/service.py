"""What every route works with: the models, the keys, the counts, and one turn of one caller with one model."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, AsyncExitStack, aclosing, nullcontext
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request

from sibao.core.errors import Refused
from sibao.core.types import Completion, Delta, GenerateOptions, Prompt, Usage
from sibao.providers._answers import Answer
from sibao.providers._estimate import estimate
from sibao.providers.local import is_tokens
from sibao.server._audit import note, noted
from sibao.server.counters import Counters
from sibao.server.desk import Asked, Terms
from sibao.server.errors import gemini_key
from sibao.server.hall import Guest, Hall, batch_of
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
        self._leaving: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Put all models away, and keep what was spent."""
        await self.hall.close()
        await asyncio.to_thread(self.keys.close)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that no request waits for."""
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

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
    """One caller's use of one model. Of one request at most ``at_once`` answers are worked on together; the others follow as
    these end, so that nobody waits behind all of them."""

    def __init__(self, service: Service, request: Request, caller: Caller, guest: Guest, stack: AsyncExitStack) -> None:
        self.service, self.request, self.caller, self.guest = service, request, caller, guest
        self.model, self.at_once = guest.entry.id, batch_of(guest.desk)
        self.group = caller.name or f"request {id(request)}"  # of those who wait, each begins one in turn
        self._stack = stack
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + service.options.seconds
        self._threads: list[Future[Any]] = []

    @property
    def left(self) -> float:
        """Seconds; from any thread."""
        return max(0.0, self._end - self._loop.time())

    @property
    def terms(self) -> Terms:
        """Of an answer that begins now."""
        return Terms(self.left, self.count, self.group)

    async def __aenter__(self) -> Turn:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End what still streams and leave the model to others, once no thread works on it for this turn any more."""
        stack, busy = self._stack.pop_all(), [one for one in self._threads if not one.done()]
        if busy:
            self.service.later(_leave(stack, busy))
        else:
            await stack.aclose()

    def ended_by(self, end: Callable[[], Awaitable[None]]) -> None:
        """Something that closing the turn ends too."""
        self._stack.push_async_callback(end)

    def handed_on(self) -> Turn:
        """The same turn for another owner, who closes it; closing this one does nothing then."""
        other = copy.copy(self)
        other._stack = self._stack.pop_all()
        return other

    async def complete(self, asked: Work) -> list[Completion]:
        """All answers, in order. A client that goes away ends them.

        Raises:
            Refused: it took too long (504), the client has gone, or the budget is spent. SibaoError: what the model raises.
        """
        found = await self._each(asked, self.guest.desk.complete)
        self.note([(prompt, one.text) for (prompt, _), one in zip(asked, found, strict=True)])
        return found

    async def echo(self, asked: Work) -> list[Answer]:
        """All answers, with their prompts' own log-probabilities.

        Raises:
            BadInput: the model does not tell them. Refused, SibaoError: as ``complete``.
        """
        found = await self._each(asked, self.guest.desk.echo)
        self.note([(prompt, one.text) for (prompt, _), one in zip(asked, found, strict=True)])
        return found

    async def _each(
        self, asked: Work, ask: Callable[[Asked, GenerateOptions, Terms], Coroutine[Any, Any, T]]
    ) -> list[T]:
        found, todo = dict[int, T](), iter(enumerate(asked))

        async def work() -> None:
            for number, (prompt, options) in todo:
                with self.held(prompt, options):
                    found[number] = await ask(prompt, self.guest.options(options), self.terms)

        await until_gone(self.request, all_of([work() for _ in range(min(self.at_once, len(asked)))]))
        return [found[number] for number in range(len(asked))]

    async def stream(self, prompt: Asked, options: GenerateOptions) -> AsyncGenerator[Delta]:
        """The pieces of an answer; the first has been waited for, so that what is refused raises here. Closing the turn ends
        them.

        Raises:
            Refused: it took too long, or the client has gone. SibaoError: what the model raises.
        """
        pieces = self.noted(prompt, self.pieces(prompt, options))
        self._stack.push_async_callback(pieces.aclose)
        first = await until_gone(self.request, anext(pieces))
        going = self._going_on(pieces, first)
        self._stack.push_async_callback(going.aclose)
        return going

    async def stream_later(self, prompt: Asked, options: GenerateOptions) -> AsyncGenerator[Delta]:
        """The same of an answer that begins when its first piece is asked for. Who reads it closes it."""
        pieces = self.noted(prompt, self.pieces(prompt, options))
        async with aclosing(self._going_on(pieces)) as going:
            async for delta in going:
                yield delta

    async def pieces(self, prompt: Asked, options: GenerateOptions) -> AsyncGenerator[Delta]:
        """The pieces of an answer, as its model's desk gives them."""
        with self.held(prompt, options):
            async with aclosing(self.guest.desk.stream(prompt, self.guest.options(options), self.terms)) as pieces:
                async for delta in pieces:
                    yield delta

    def held(self, prompt: Asked, options: GenerateOptions) -> AbstractContextManager[None]:
        """What an answer may cost is held back from its key's budget while it is made. Raises what ``Caller.hold`` raises."""
        if self.guest.price is None:
            return nullcontext()
        read = len(prompt) if is_tokens(prompt) else estimate(cast(Prompt, prompt))
        return self.caller.hold(self.guest.price.cost(Usage(read, options.max_tokens)))

    async def _going_on(self, pieces: AsyncGenerator[Delta], first: Delta | None = None) -> AsyncGenerator[Delta]:
        async with aclosing(pieces):
            try:
                delta = await anext(pieces) if first is None else first
                while delta.completion is None:
                    yield delta
                    delta = await anext(pieces)
            except TimeoutError:
                raise late(self.service.options.seconds) from None
            yield delta

    async def check(self, asked: Work) -> None:
        """Refuse what will be asked later.

        Raises:
            Refused, SibaoError: as ``stream``.
        """
        await self.in_thread(self.guest.desk.check, [(prompt, self.guest.options(how)) for prompt, how in asked])

    async def in_thread(self, call: Callable[..., T], *values: Any, long: bool = False) -> T:
        """What a call in one of the model's threads gives. A thread cannot be ended: where it takes too long or the client goes
        nobody waits for it, and the turn keeps its place in the queue until it ends.

        Args:
            long: it makes the model compute.

        Raises:
            Refused: it took too long, or the client has gone. SibaoError: what the call raises.
        """
        running = self.guest.desk.submit(call, *values, long=long)
        self._threads.append(running)
        return await until_gone(self.request, self._in_time(running))

    async def _in_time(self, running: Future[T]) -> T:
        async with asyncio.timeout_at(self._end):
            return await asyncio.wrap_future(running)

    def count_soon(self, usage: Usage) -> None:
        """Count tokens, from a thread."""
        self._loop.call_soon_threadsafe(self.count, usage)

    def count(self, usage: Usage, first_token_seconds: float | None = None) -> None:
        """Count tokens, for the key's limits, the counters and the log."""
        cost = 0.0 if self.guest.price is None else self.guest.price.cost(usage)
        self.caller.used(usage.prompt_tokens + usage.completion_tokens, cost)
        self.service.counters.answered(self.model, usage, first_token_seconds)
        audit = self.request.scope.setdefault("audit", {})
        for name in ("prompt_tokens", "completion_tokens"):
            audit[name] = audit.get(name, 0) + getattr(usage, name)

    def note(self, texts: Iterable[tuple[Asked, str]]) -> None:
        """Prompts and answers, for a log that is told to hold them."""
        if self.service.options.audit_text:
            for prompt, answer in texts:
                note(self.request.scope.setdefault("audit", {}), self.guest.model, prompt, answer)

    def noted(self, prompt: Asked, pieces: AsyncGenerator[Delta]) -> AsyncGenerator[Delta]:
        """The same pieces, noted once they end."""
        if not self.service.options.audit_text:
            return pieces
        return noted(self.request.scope.setdefault("audit", {}), self.guest.model, prompt, pieces)


async def _leave(stack: AsyncExitStack, busy: Sequence[Future[Any]]) -> None:
    await asyncio.gather(*map(asyncio.wrap_future, busy), return_exceptions=True)
    await stack.aclose()


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
