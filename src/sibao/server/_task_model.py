"""A served model as the tasks take one: called from a thread, asked through its desk, which works for all callers at once.

What runs ends within a step of the engine when nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from sibao.core.errors import Refused
from sibao.core.types import Completion, Delta, GenerateOptions, Prompt, Scored, Scorer, SourceForm, Usage, as_prompts
from sibao.server.service import GONE, Turn, all_of
from sibao.workflows.jobs import has_template

T = TypeVar("T")
Tell = Callable[[dict[str, Any]], object]
"""Gets the events of a stream, from any thread."""


class Line:
    """Calls from threads to the event loop on behalf of one request, until it is cut or its time is up."""

    def __init__(self, turn: Turn) -> None:
        self.turn, self.loop = turn, asyncio.get_running_loop()
        self.gate = asyncio.Semaphore(turn.at_once)
        self._lock, self._cut, self._open = threading.Lock(), False, set[Future[Any]]()

    def check(self) -> None:
        """Raises Refused where it is cut, TimeoutError where the time is up."""
        if self._cut:
            raise Refused(GONE, "nobody waits for the answer any more")
        if self.turn.left == 0:
            raise TimeoutError

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the event loop makes of it. From a thread.

        Raises:
            Refused: cut. TimeoutError: no time is left. SibaoError: what the work raises.
        """
        with self._lock:
            self.check()
            future = asyncio.run_coroutine_threadsafe(work(), self.loop)
            self._open.add(future)
        try:
            return future.result()
        except CancelledError:
            raise Refused(GONE, "nobody waits for the answer any more") from None
        finally:
            self._open.discard(future)

    def cut(self) -> None:
        """End what runs; nothing more is begun."""
        with self._lock:
            self._cut = True
            running = list(self._open)
        for future in running:
            future.cancel()


class DeskModel:
    """Implements ``core.types.Model``. ``tell`` is told of progress where more than one answer is needed."""

    def __init__(self, line: Line, tell: Tell) -> None:
        self.guest, self.line, self._tell = line.turn.guest, line, tell
        self.model = self.guest.model
        self.name, self.context = self.model.name, self.model.context
        self.has_template = has_template(self.model)
        self.source_form: SourceForm | None = getattr(self.model, "source_form", None)
        self._done = self._total = 0

    def expect(self, answers: int) -> None:
        """So many more are needed."""
        self._total += answers
        self._progress(0)

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """As the model's own."""
        every, way = as_prompts(prompts), options or GenerateOptions()
        return self.line.call(lambda: all_of([self._one(prompt, way) for prompt in every]))

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """As the model's own."""
        pieces = self.line.call(lambda: self._opened(prompt, options or GenerateOptions()))
        try:
            while True:
                delta = self.line.call(lambda: _next(pieces))
                yield delta
                if delta.completion is not None:
                    return
        finally:
            asyncio.run_coroutine_threadsafe(_close(pieces), self.line.loop)

    def count(self, prompt: Prompt) -> int:
        """As the model's own."""
        self.line.check()
        return int(self.model.count(prompt))

    async def _one(self, prompt: Prompt, options: GenerateOptions) -> Completion:
        turn = self.line.turn
        async with self.line.gate:
            with turn.held(prompt, options):
                found = await self.guest.desk.complete(prompt, self.guest.options(options), turn.terms)
        turn.note([(prompt, found.text)])
        self._progress(1)
        return found

    async def _opened(self, prompt: Prompt, options: GenerateOptions) -> AsyncGenerator[Delta]:
        turn = self.line.turn
        return turn.noted(prompt, turn.pieces(prompt, options))

    def _progress(self, more: int) -> None:
        self._done += more
        if self._total > 1:
            self._tell({"progress": {"done": self._done, "total": self._total}})


class ScoringDeskModel(DeskModel):
    """The same for a model whose probabilities can be read. Only its own: not those that an adapter beside it makes of them."""

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """As the model's own; what it reads is counted."""
        self.line.check()
        scored: list[Scored] = self.model.score(pairs)
        read = sum(self.model.count(context) for context, _ in pairs) + sum(one.tokens for one in scored)
        self.line.turn.count_soon(Usage(read))
        return scored

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """As the model's own; what it reads is counted."""
        self.line.check()
        scored: list[Scored] = self.model.score_text(texts)
        self.line.turn.count_soon(Usage(sum(one.tokens for one in scored)))
        return scored


def desk_model(line: Line, tell: Tell) -> DeskModel:
    """The turn's model, for the threads of one text."""
    guest = line.turn.guest
    scores = isinstance(guest.model, Scorer) and guest.entry.adapter is None
    return (ScoringDeskModel if scores else DeskModel)(line, tell)


async def _next(pieces: AsyncGenerator[Delta]) -> Delta:
    return await anext(pieces)


async def _close(pieces: AsyncGenerator[Delta]) -> None:
    await pieces.aclose()
