"""The models of a server: loaded when somebody asks, shared by all who do, put away when memory is wanted for another.

Adapters of one base model are one loaded model: requests of one batch may each name another.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput, Refused, SibaoError, UnknownName
from sibao.core.prices import Price
from sibao.core.system import memory_bytes
from sibao.core.types import GenerateOptions
from sibao.models.names import adapter_folder, resolve
from sibao.providers.load import HOSTED, load, local_name, place_of
from sibao.server._formats import fitted, refuse_unusable
from sibao.server.desk import Desk
from sibao.server.options import ServeOptions
from sibao.workflows._models import price_of

log = logging.getLogger("sibao.server")
SHARE = 0.6
"""Of the machine's memory for models, where nothing else is said."""


@dataclass(frozen=True)
class Entry:
    """A name that callers use. ``adapter``: folder of the one that ``base`` answers with."""

    id: str
    base: str
    adapter: str | None = None

    @staticmethod
    def read(word: str) -> Entry:
        """``NAME``, ``BASE+ADAPTER``, or ``ID=`` before either; a folder of that very name is that folder. A hosted model has no
        adapters here: a + is part of its name.

        Raises:
            BadInput: the adapter's folder is none, or a URL that is none, or that holds a password, which callers would see.
        """
        name, equals, rest = word.partition("=")
        with_id = equals and name and "/" not in name and not Path(word).exists()
        given, target = (name, rest) if with_id else (word, word)
        if Path(target).exists():
            return Entry(given, target)
        kind = target.partition(":")[0]
        if ":" in target and kind in HOSTED:
            if kind in ("http", "https"):
                place_of(target)
            return Entry(given, target)
        base, plus, adapter = target.partition("+")
        return Entry(given, base, str(adapter_folder(adapter).resolve()) if plus else None)


@dataclass
class Place:
    """A loaded model. ``busy``: requests that it has; ``bytes``: of its files; ``price`` of its tokens, None where nobody
    knows it."""

    desk: Desk
    bytes: int
    price: Price | None
    busy: int = 0
    used: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Guest:
    """A model as one request sees it."""

    entry: Entry
    desk: Desk
    price: Price | None

    @property
    def model(self) -> Any:
        """For calls from threads."""
        return self.desk.model

    def options(self, options: GenerateOptions) -> GenerateOptions:
        """With the adapter that the name stands for."""
        return options if self.entry.adapter is None else replace(options, adapter=self.entry.adapter)

    def refuse_adapter(self, what: str) -> None:
        """Refuse what is computed with the loaded model alone, where the name stands for an adapter of it.

        Raises:
            BadInput: it does.
        """
        if self.entry.adapter is not None:
            raise BadInput(
                f"{self.entry.id!r} is an adapter beside {self.entry.base}, and {what} with the model alone",
                hint="write the adapter into the weights (sibao export BASE+ADAPTER --merge) and serve that folder",
            )


class Hall:
    """All models of one server.

    Raises:
        BadInput: a model or an adapter's folder that is none, a URL that is none, or a number format that no model can have.
            ModelError: a model that is not on this machine while offline.
    """

    def __init__(self, options: ServeOptions) -> None:
        self.options = options
        self.entries = {entry.id: entry for entry in map(Entry.read, options.models)}
        for entry in self.entries.values():
            check_there(entry.base)
        refuse_unusable([entry.base for entry in self.entries.values()], options.loading, others=options.any_model)
        self.memory = options.memory_bytes or int(SHARE * memory_bytes())
        self.loaded: dict[str, Place] = {}
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Lock()

    @property
    def default(self) -> str:
        """The model that answers where none is named."""
        return next(iter(self.entries))

    def find(self, name: str | None) -> Entry:
        """The entry of a name.

        Raises:
            UnknownName: it is not served.
        """
        name = self.default if name is None else name
        if name in self.entries:
            return self.entries[name]
        if not self.options.any_model:
            raise UnknownName("model", name[:200], self.entries)
        try:
            return Entry.read(name)
        except (OSError, ValueError):  # longer than names of files may be, or with bytes that none has
            raise UnknownName("model", name[:200], self.entries) from None

    def context(self, entry: Entry) -> int | None:
        """Tokens that a loaded model holds; None where that is not known, or not yet."""
        place = self.loaded.get(entry.base)
        return None if place is None else getattr(place.desk.model, "context", None)

    @asynccontextmanager
    async def visit(self, name: str | None) -> AsyncIterator[Guest]:
        """A model for one request, loaded if need be.

        Raises:
            UnknownName: it is not served. ModelError: it cannot be loaded.
            Refused: its queue is full (429), or there is no memory for it while others work (503).
        """
        entry = self.find(name)
        if entry.id not in self.entries and entry.base not in self.loaded:
            await asyncio.to_thread(self._look_for, entry)
        place = await self._place(entry.base)
        with self._seat(place):
            yield Guest(entry, place.desk, place.price)

    def _look_for(self, entry: Entry) -> None:
        """A model that is not listed. Raises UnknownName where there is none."""
        try:
            check_there(entry.base)
        except SibaoError as error:
            unknown = UnknownName("model", entry.id[:200], self.entries)
            unknown.hint = error.message
            raise unknown from None

    @contextmanager
    def _seat(self, place: Place) -> Iterator[None]:
        most = self.options.queue + batch_of(place.desk)
        if place.busy >= most:
            raise Refused(
                429, f"{place.busy} requests wait or run, more than {most} are not queued",
                hint="ask again later", seconds=1 + place.busy / 8, code="queue_full",
            )  # fmt: skip
        place.busy += 1
        try:
            yield
        finally:
            place.busy -= 1
            place.used = time.monotonic()

    async def _place(self, base: str) -> Place:
        """Who goes away while a model is loaded does not stop that: others may wait for it."""
        while (place := self.loaded.get(base)) is None:
            if base not in self._loading:
                self._loading[base] = asyncio.create_task(self._load(base))
                self._loading[base].add_done_callback(lambda done: self._no_longer(base, done))
            await asyncio.shield(self._loading[base])
        return place

    def _no_longer(self, base: str, done: asyncio.Task[None]) -> None:
        del self._loading[base]
        if not done.cancelled() and done.exception() is not None:
            log.warning("%s was not loaded: %s", base[:200], done.exception())

    async def _load(self, base: str) -> None:
        async with self._room:
            size = await asyncio.to_thread(size_of, base)
            await self._make_room(size)
            begun = time.perf_counter()
            model = await asyncio.to_thread(load, base, **fitted(base, self.options.loading))
            self.loaded[base] = Place(Desk(model), size, price_of(base))
            log.info("%s loaded in %.1f s", base, time.perf_counter() - begun)

    async def _make_room(self, size: int) -> None:
        while self.loaded and sum(place.bytes for place in self.loaded.values()) + size > self.memory:
            idle = [name for name, place in self.loaded.items() if not place.busy]
            if not idle:
                raise Refused(
                    503, "memory is full of models that are at work", hint="ask again when they are done", seconds=5
                )
            last = min(idle, key=lambda name: self.loaded[name].used)
            place = self.loaded.pop(last)
            await asyncio.to_thread(place.desk.close)
            log.info("%s was put away", last)

    async def close(self) -> None:
        """Put all away."""
        while self.loaded:
            _, place = self.loaded.popitem()
            await asyncio.to_thread(place.desk.close)


def batch_of(desk: Desk) -> int:
    """Requests that a model works on at once."""
    engine = getattr(desk.model, "engine", None)
    return int(getattr(engine, "max_batch", 16))


def check_there(name: str) -> None:
    """Refuse the name of a model that this machine would compute and that is not there.

    Raises:
        BadInput: no such model. ModelError: known, but not on this machine while offline.
    """
    try:
        if not name:
            raise ValueError
        if (local := local_name(name)) is not None:
            resolve(local)
    except (OSError, ValueError):  # longer than names of files may be, or with bytes that none has
        raise BadInput(
            f"{name[:200]!r} can be no model's name", hint="name a folder, or a model as sibao.load does"
        ) from None


def size_of(name: str) -> int:
    """Bytes of a model's files; 0 for one that runs elsewhere, or whose files are not known before."""
    local = local_name(name)
    if local is None:
        return 0
    try:
        folder = resolve(local).folder
    except SibaoError:
        return 0
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
