"""A stream of a hosted model that another thread can give up at any moment: while it waits for its turn, for the first byte,
or for the next one.

A thread that reads from a socket is woken only by an end of that socket. So each stream has a client with one connection of
its own, which is used again when the stream has ended.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx2

from sibao.core.types import Delta


class Lane:
    """A client with one connection at most."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client
        self.socket: socket.socket | None = None


class Lanes:
    """Lanes of one place: as many as there are streams at once."""

    def __init__(self, new: Callable[[], httpx2.Client]) -> None:
        self._new, self._free, self._open = new, deque[Lane](), True

    def take(self) -> Lane:
        """A lane that nobody uses."""
        try:
            return self._free.pop()
        except IndexError:
            return Lane(self._new())

    def give(self, lane: Lane) -> None:
        """It is free again."""
        self._free.append(lane)
        if not self._open:
            self.close()

    def close(self) -> None:
        """Close those that nobody uses, and each other one when it is given back."""
        self._open = False
        with suppress(IndexError):
            while True:
                self._free.pop().client.close()


class Call:
    """One request with all its tries."""

    def __init__(self, lanes: Lanes, wake: Callable[[], object]) -> None:
        self.gone = False
        self._lanes, self._wake = lanes, wake
        self._lane: Lane | None = None
        self._lock = threading.Lock()

    @property
    def client(self) -> httpx2.Client:
        """To send with."""
        with self._lock:
            lane = self._lane = self._lane or self._lanes.take()
        if self.gone:
            self._cut()
        return lane.client

    def heed(self, event: str, told: dict[str, Any]) -> None:
        """Of httpx2's trace: the connection that was made."""
        stream = told.get("return_value")
        if event.endswith(("connect_tcp.complete", "start_tls.complete")) and stream is not None:
            with self._lock:
                if self._lane is not None:
                    self._lane.socket = stream.get_extra_info("socket")
            if self.gone:
                self._cut()

    def cancel(self) -> None:
        """Give it up: waits end, the connection breaks, nothing more is sent. From any thread."""
        self.gone = True
        self._wake()
        self._cut()

    def end(self) -> None:
        """It is over: the connection is for others."""
        with self._lock:
            lane, self._lane = self._lane, None
        if lane is not None:
            self._lanes.give(lane)

    def _cut(self) -> None:
        with self._lock:
            found = None if self._lane is None else self._lane.socket
            if found is not None:
                with suppress(OSError):  # it has ended already
                    socket.socket.shutdown(found, socket.SHUT_RDWR)  # not TLS's own, which another thread is in


class Deltas(Iterator[Delta]):
    """The pieces of an answer. ``close`` ends it between two pieces, ``cancel`` at any moment and from any thread."""

    def __init__(self, pieces: Any, call: Call) -> None:
        self._pieces, self._call = pieces, call

    def __next__(self) -> Delta:
        found: Delta = next(self._pieces)
        return found

    def close(self) -> None:
        """Close the connection, which ends the request."""
        self._pieces.close()

    def cancel(self) -> None:
        """The same while a thread waits for the next piece; that one raises."""
        self._call.cancel()
