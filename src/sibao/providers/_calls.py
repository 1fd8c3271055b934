"""A request to a hosted model that ends when it must: at its deadline, when the server falls silent, or when another thread
gives it up - while it waits for its turn, for the first byte, or for the next one.

A thread that reads from a socket is woken only by an end of that socket, and time-outs of single reads do not add up: a
server that sends a byte now and then would hold it for ever. So each request has a client with one connection of its own,
which is used again when the request has ended, and a watch that breaks that connection.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import inf
from typing import Any

import httpx2

from sibao.core.types import Delta


class Lane:
    """A client with one connection at most."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client
        self.socket: socket.socket | None = None


class Lanes:
    """Lanes of one place: as many as there are requests at once."""

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
    """One request with all its tries. ``gone``: it was given up; ``late``: its time was over, so that the connection was
    broken; ``free``: it asks for nothing that costs; ``sent``: else, the server has the whole request of this try; ``paused``:
    nobody waits for the server."""

    def __init__(self, lanes: Lanes, wake: Callable[[], object]) -> None:
        self.gone = self.late = self.sent = False
        self._lanes, self._wake = lanes, wake
        self._lane: Lane | None = None
        self._changed = threading.Condition()
        self._deadline = self._until = inf
        self._silence: float | None = None
        self._watched = False
        self.free = self.paused = False

    @property
    def over(self) -> bool:
        """Whether its deadline has passed."""
        return time.monotonic() >= self._deadline

    @property
    def client(self) -> httpx2.Client:
        """To send with."""
        with self._changed:
            lane = self._lane = self._lane or self._lanes.take()
            if self.gone:
                self._break()
        return lane.client

    def heed(self, event: str, told: dict[str, Any]) -> None:
        """Of httpx2's trace: the connection that was made, and that the request is out."""
        stream = told.get("return_value")
        if event.endswith(("connect_tcp.complete", "start_tls.complete")) and stream is not None:
            with self._changed:
                if self._lane is not None:
                    self._lane.socket = stream.get_extra_info("socket")
                if self.gone or self.late:
                    self._break()
        elif event.endswith("send_request_body.complete"):
            self.sent = not self.free

    def begin(self, deadline: float) -> None:
        """A try begins, and ends at its deadline at the latest."""
        with self._changed:
            self.late = self.sent = False
            self._deadline, self._silence = deadline, None
            self._end_at(deadline)

    def hear(self, silence: float) -> None:
        """From now on the server may be silent for so long (see ``alive``)."""
        with self._changed:
            self._silence = silence
            self._end_at(min(self._deadline, time.monotonic() + silence))

    def alive(self) -> None:
        """The server has sent something."""
        if self._silence is not None:
            with self._changed:
                self._end_at(min(self._deadline, time.monotonic() + self._silence))

    def linger(self, seconds: float) -> None:
        """What was asked for is there: the rest has so long, and no longer."""
        with self._changed:
            self._deadline, self._silence = time.monotonic() + seconds, None
            self._end_at(self._deadline)

    def cancel(self) -> None:
        """Give it up: waits end, the connection breaks, nothing more is sent. From any thread."""
        self.gone = True
        self._wake()
        with self._changed:
            self._break()

    def end(self) -> None:
        """It is over: the connection is for others."""
        with self._changed:
            lane, self._lane = self._lane, None
            self._until = inf
            self._changed.notify()
        if lane is not None:
            self._lanes.give(lane)

    def _end_at(self, then: float) -> None:
        sooner, self._until = then < self._until, then
        if not self._watched:
            self._watched = True
            threading.Thread(target=self._watch, daemon=True).start()
        elif sooner:  # else the watch looks again when it wakes up
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while self._until < inf and (left := self._until - time.monotonic()) > 0:
                self._changed.wait(left)
                if self.paused and self._silence is not None and self._until < self._deadline:
                    self._until = min(self._deadline, time.monotonic() + self._silence)
            self._watched = False
            if self._until < inf:
                self.late = True
                self._break()

    def _break(self) -> None:
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
