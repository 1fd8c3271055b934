"""Several pieces of work that mostly wait, under way at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
A = TypeVar("A")


def side_by_side(work: Callable[[A], T], items: Sequence[A], most: int) -> list[T | Exception | None]:
    """What ``work`` makes of each item, or how it failed; after a failure no other item is begun, which leaves None.

    The threads are daemons: when the user interrupts, nobody waits for a server that is silent.
    """
    found: list[T | Exception | None] = [None] * len(items)
    todo, lock, stop = iter(range(len(items))), threading.Lock(), threading.Event()

    def run() -> None:
        while not stop.is_set():
            with lock:
                number = next(todo, None)
            if number is None:
                return
            try:
                found[number] = work(items[number])
            except Exception as error:
                found[number] = error
                stop.set()

    if len(items) < 2:
        run()
        return found
    threads: list[Any] = [threading.Thread(target=run, daemon=True) for _ in range(min(most, len(items)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
    return found
