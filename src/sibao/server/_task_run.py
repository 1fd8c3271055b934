"""One request of a task: its texts worked on in threads, its events, its end when the client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from sibao import __version__
from sibao.core.errors import BadInput, SibaoError
from sibao.core.types import Head
from sibao.server._sse import Pieces, data
from sibao.server._task_model import Line, Tell, desk_model
from sibao.server._task_schema import Body, Broken, row_values
from sibao.server.service import Turn, all_of, late
from sibao.tasks.base import TaskResult, load_task
from sibao.workflows.jobs import job

AT_ONCE = 8
"""Texts of one request that are worked on together; what they ask of the model is batched with everyone's."""
POOL = ThreadPoolExecutor(64, thread_name_prefix="task")
"""Threads that mostly wait; apart from the event loop's own, which every request needs for a moment."""
Write = Callable[[str], object]


class Work:
    """One request."""

    def __init__(self, name: str, turn: Turn, body: Body) -> None:
        self.name, self.turn, self.body = name, turn, body
        self.task, self.line = load_task(name), Line(turn)

    async def result(self, tell: Tell | None = None) -> dict[str, Any]:
        """The object of the JSON contract; ``tell`` gets what comes before it.

        Raises:
            SibaoError: what a lone text raises. TimeoutError: the time is up.
        """
        head = {"command": self.name, "model": self.turn.model, "version": __version__}
        if self.body.inputs is None:
            found = await self._one(self.body.values(), tell)
            return {**head, **found}
        return {**head, "results": await self._several(self.body.inputs, tell)}

    async def _several(self, rows: list[Any], tell: Tell | None) -> list[dict[str, Any]]:
        gate, done = asyncio.Semaphore(AT_ONCE), 0

        async def one(row: Any) -> dict[str, Any]:
            nonlocal done
            async with gate:
                found = await self._guarded(row)
            done += 1
            if tell is not None:
                tell({"progress": {"done": done, "total": len(rows)}})
            return found

        return await all_of([one(row) for row in rows])

    async def _guarded(self, row: Any) -> dict[str, Any]:
        """A row's result, or its failure."""
        try:
            if isinstance(row, Broken):
                raise BadInput(str(row))
            return await self._one(row_values(self.body, row), None)
        except SibaoError as error:
            return error.to_json()

    async def _one(self, values: Mapping[str, Any], tell: Tell | None) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(POOL, self._in_thread, values, tell)
        try:
            return await asyncio.shield(running)
        finally:
            if not running.done():
                self.line.cut()
                await asyncio.wait({running})
            if not running.cancelled():
                running.exception()  # it is known, or nobody asks any more

    def _in_thread(self, values: Mapping[str, Any], tell: Tell | None) -> dict[str, Any]:
        inputs = self.task.inputs(**values)
        own = self.turn.guest.model
        direct = isinstance(own, Head)
        if direct:
            self.turn.guest.refuse_adapter("this task is worked on")
            work = job(self.name, own, **self.body.sampling())
        else:
            model = desk_model(self.line, tell or _nobody)
            work = replace(job(self.name, model, **self.body.sampling()), expect=model.expect)
        result = work.run([inputs])[0] if tell is None else work.stream(inputs, _deltas(tell))
        if direct:
            self.turn.count_soon(result.usage)
        return _shown(self.name, result)


def _nobody(_: dict[str, Any]) -> None:
    """Nobody is told."""


def _deltas(tell: Tell) -> Write:
    def write(text: str) -> None:
        if text:
            tell({"delta": text})

    return write


def _shown(name: str, result: TaskResult) -> dict[str, Any]:
    found = result.to_json()
    if name == "answer":
        start = found["start"]
        found["span"] = None if start is None else {"start": start, "end": start + len(result.text)}
    return found


class Told:
    """The events of a request, as they come from its threads."""

    def __init__(self, work: Work) -> None:
        self._work, self._box = work, asyncio.Queue[dict[str, Any] | Exception]()
        self._running = asyncio.create_task(self._run())

    async def next(self) -> dict[str, Any]:
        """The next event; the last one is the result.

        Raises:
            SibaoError, TimeoutError: what the work raised.
        """
        event = await self._box.get()
        if isinstance(event, Exception):
            raise event
        return event

    async def close(self) -> None:
        """End the work."""
        self._running.cancel()
        await asyncio.wait({self._running})

    async def pieces(self, first: dict[str, Any]) -> Pieces:
        """All events as they go over the wire."""
        event = first
        while True:
            yield data(event)
            if "result" in event:
                return
            try:
                event = await self.next()
            except TimeoutError:
                raise late(self._work.turn.service.options.seconds) from None

    async def _run(self) -> None:
        loop = self._work.line.loop
        try:
            result = await self._work.result(lambda event: loop.call_soon_threadsafe(self._box.put_nowait, event))
            loop.call_soon(self._box.put_nowait, {"result": result})
        except Exception as error:
            loop.call_soon(self._box.put_nowait, error)
