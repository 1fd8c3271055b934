"""A lock that threads get in the order in which they asked.

Python's own locks give no such promise: a thread that releases one and takes it again at once, as a loop does, usually
wins against those who wait, and they starve.
"""

from __future__ import annotations

import threading
from collections import deque


class FairLock:
    """Reentrant, like ``threading.RLock``; used with ``with``."""

    def __init__(self) -> None:
        self._inner = threading.Lock()  # held for some instructions only
        self._owner: int | None = None
        self._depth = 0
        self._waiting: deque[tuple[int, threading.Lock]] = deque()

    def __enter__(self) -> FairLock:
        me, turn, waits = threading.get_ident(), threading.Lock(), False
        turn.acquire()
        try:
            with self._inner:
                if self._owner in (None, me):
                    self._owner, self._depth = me, self._depth + 1
                    return self
                waits = True
                self._waiting.append((me, turn))
            turn.acquire()  # the one before gives it over, together with the lock
        except BaseException:  # a signal, say: nobody must wait for who does not come
            if waits:
                self._go_away(me, turn)
            raise
        return self

    def _go_away(self, me: int, turn: threading.Lock) -> None:
        with self._inner:
            if (me, turn) in self._waiting:
                self._waiting.remove((me, turn))
                return
        if self._owner == me:  # it was given over meanwhile
            self.__exit__()

    def __exit__(self, *_: object) -> None:
        with self._inner:
            self._depth -= 1
            if self._depth:
                return
            if not self._waiting:
                self._owner = None
                return
            self._owner, turn = self._waiting.popleft()
            self._depth = 1
            turn.release()
