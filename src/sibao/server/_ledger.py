"""What keys have spent, kept in the store: a restart refills no budget."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict

from sibao.core.errors import SibaoError

log = logging.getLogger("sibao.server")
PAUSE = 0.5
"""Seconds between two writes: no answer waits for the disk, and a killed server forgets no more than these."""


class Ledger:
    """Sums by hash of the key. Nothing is read before somebody has a budget, and nothing written where nothing costs."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = defaultdict(float)
        self._owed: dict[str, float] = defaultdict(float)  # not in the store yet
        self._known = False
        self._lock, self._store = threading.Lock(), threading.Lock()
        self._timer: threading.Timer | None = None

    def know(self) -> None:
        """Read what was spent before this process began.

        Raises:
            StoreError: the database cannot be read.
        """
        if self._known:
            return
        from sibao.store import spending

        with self._store:
            before = spending.spent()
            with self._lock:
                self._spent, self._known = defaultdict(float, before), True
                for key, cost in self._owed.items():
                    self._spent[key] += cost

    def spent(self, key: str) -> float:
        """What a key has spent."""
        return self._spent.get(key, 0.0)

    def add(self, key: str, cost: float) -> None:
        """Add to it; from any thread, and at once."""
        if not cost:
            return
        with self._lock:
            self._spent[key] += cost
            self._owed[key] += cost
            if self._timer is None:
                self._timer = threading.Timer(PAUSE, self.write)
                self._timer.daemon = True
                self._timer.start()

    def write(self) -> None:
        """Bring what is new to the store. What cannot be written is kept for the next time."""
        with self._store:
            with self._lock:
                owed, self._owed, self._timer = self._owed, defaultdict(float), None
            if not owed:
                return
            from sibao.store import spending

            try:
                spending.add_spent(owed)
            except SibaoError as error:
                log.error("what keys have spent is not kept yet: %s", error)
                with self._lock:
                    for key, cost in owed.items():
                        self._owed[key] += cost
