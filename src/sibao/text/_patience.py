"""Compiling what a user wrote, in bounded time and without a stack that ends the program."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from sibao.core.errors import BadInput

SECONDS = 20.0
"""A form that takes longer to compile is refused."""
STACK = 256 << 20
"""Bytes: the compiler goes down one level for each rule of a chain, some 4 kB each. What is not touched takes no memory."""
SYMBOLS = 50_000
"""Of a grammar at most: less than the stack holds."""
T = TypeVar("T")
_LOCK = threading.Lock()


def patiently(work: Callable[[], T], seconds: float | None = None) -> T:
    """What ``work`` gives, or raises, from a thread with a deep stack.

    The thread of a work that is given up goes on to its end: nothing can stop it.

    Raises:
        BadInput: it takes longer than ``seconds`` (None: ``SECONDS``).
    """
    limit = SECONDS if seconds is None else seconds
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    with _LOCK:
        before = threading.stack_size(STACK)
        try:
            threading.Thread(target=run, name="grammar", daemon=True).start()
        finally:
            threading.stack_size(before)
    try:
        return done.result(limit)
    except TimeoutError:
        if done.done():  # it was the work's own
            raise
        raise BadInput(
            f"the answer's form takes longer than {limit:g} seconds to compile",
            hint="simplify it: a large multipleOf, say, makes as many states as its number",
        ) from None
