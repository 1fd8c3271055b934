"""The events of submitted requests as an iterator, and who brings them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from sibao.engine.request import Event


class Steps(Protocol):
    """Who steps an engine for all (``engine.driver``)."""

    def wait(self, box: deque[Event]) -> None:
        """Return when the box has an event."""
        ...


class Stream(Iterator[Event]):
    """Ends when every request has had its last event. ``close`` (or the end of a ``with`` block) cancels the rest.

    Args:
        ids: the requests.
        take: returns the next event of any of them, working until there is one.
        forget: cancels the named requests where they still run, and drops what they left.
    """

    def __init__(self, ids: Iterable[str], take: Callable[[], Event], forget: Callable[[list[str]], None]) -> None:
        self._open, self._take, self._forget = dict.fromkeys(ids), take, forget

    def __next__(self) -> Event:
        if not self._open:
            raise StopIteration
        event = self._take()
        if event.finish_reason is not None:
            del self._open[event.id]
            self._forget([event.id])
        return event

    def close(self) -> None:
        """Stop listening; requests that still run are cancelled."""
        self._forget(list(self._open))
        self._open = {}

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
