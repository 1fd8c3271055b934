"""One thread that steps an engine, so that any number of others may ask it things and wait: what a server does.

Without it whoever waits for an event steps the engine for all. With it the others only wait: nobody who has just been
answered holds the engine up for the next one, and requests that come from an event loop never block it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from sibao.core.errors import ModelError, SibaoError
from sibao.engine.engine import Engine
from sibao.engine.request import Event, Request

log = logging.getLogger("sibao.engine")
Listener = Callable[[Sequence[Event]], None]
"""Called in the driver's thread, with the events of one step; must not block."""


class Driver:
    """Steps ``engine`` while it has work, in a thread of its own, until it is closed.

    Args:
        told: gets the events of all requests that were handed to ``ask``, step by step.
    """

    def __init__(self, engine: Engine, told: Listener) -> None:
        self.engine, self._told = engine, told
        self._orders: deque[Callable[[], None]] = deque()
        self._news = threading.Condition()
        self._open = True
        engine.driver = self
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Queue a request; never blocks. Its events go to ``told``, one that says "error" where it is refused after all:
        ask ``engine.check`` before."""
        self._order(lambda: self._add(request))

    def cancel(self, request_id: str) -> None:
        """End a request before the next step; never blocks."""
        self._order(lambda: self.engine.cancel(request_id))

    def close(self) -> None:
        """End the thread after its step. Requests that still run get no more events."""
        with self._news:
            self._open = False
            self._news.notify_all()
        self._thread.join()
        self.engine.driver = None

    def wait(self, box: deque[Event]) -> None:
        """Return when the box has an event.

        Raises:
            ModelError: the driver was closed.
        """
        with self._news:
            self._news.notify_all()
            while not box:
                if not self._open:
                    raise ModelError("the model was put away while it answered", hint="ask again")
                self._news.wait()

    def _order(self, what: Callable[[], None]) -> None:
        with self._news:
            self._orders.append(what)
            self._news.notify_all()

    def _add(self, request: Request) -> None:
        try:
            self.engine.add(request)
        except Exception as error:  # of ours, or a fault of the program: whoever asked is told either way
            why = error.message if isinstance(error, SibaoError) else f"{type(error).__name__}: {error}"
            self._tell([Event(request.id, finish_reason="error", error=why)])

    def _step(self) -> list[Event]:
        try:
            return self.engine.step()
        except Exception as error:  # a fault of the program must not leave everybody waiting
            log.exception("a step failed; all requests end")
            self.engine.fail_all(f"{type(error).__name__}: {error}")
            return []

    def _tell(self, events: Sequence[Event]) -> None:
        try:
            self._told(events)
        except Exception:  # an event loop that was closed, say; the others want theirs
            log.exception("news of %d requests did not arrive", len(events))

    def _run(self) -> None:
        while self._open:
            while self._orders:
                self._orders.popleft()()
            events = self._step()
            if events:
                self._tell(events)
            with self._news:
                self._news.notify_all()  # those whose boxes were filled
                if self._open and not self._orders and not self.engine.busy:
                    self._news.wait()
