"""Progress on stderr: a bar on a terminal, a plain line now and then elsewhere. Nothing is ever written to stdout.

with progress(len(rows), "evaluate", unit="row") as bar:
    for row in rows:
        bar.advance(1, loss=0.5)
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

PLAIN_SECONDS = 10.0


class Progress(Protocol):
    """What a loop holds while it works."""

    def advance(self, n: float = 1, **fields: object) -> None:
        """``n`` more units are done; ``fields`` (loss, tokens/s ...) replace the ones shown before."""
        ...

    def update(self, **fields: object) -> None:
        """Show other fields without moving on."""
        ...

    def skip(self, n: float) -> None:
        """``n`` units were done before this process began; they count neither for the speed nor for the time left."""
        ...


@contextmanager
def progress(total: float | None, description: str, unit: str = "it", quiet: bool = False) -> Iterator[Progress]:
    """Show how far a loop is.

    Args:
        total: units to do; None when unknown.
        description: what is being done.
        unit: what is counted.
        quiet: show nothing at all.
    """
    bar: _Terminal | _Plain | _Silent
    if quiet:
        bar = _Silent()
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        bar = _Terminal(total, description, unit)
    else:
        bar = _Plain(total, description, unit)
    bar.start()
    try:
        yield bar
    finally:
        bar.stop()


class _Silent:
    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def advance(self, n: float = 1, **fields: object) -> None:
        pass

    def update(self, **fields: object) -> None:
        pass

    def skip(self, n: float) -> None:
        pass


class _Plain:
    """One line at the start, one about every ten seconds, one at the end: fit for logs and pipes."""

    def __init__(self, total: float | None, description: str, unit: str) -> None:
        self.total, self.description, self.unit = total, description, unit
        self.done = self.before = 0.0
        self.fields: dict[str, object] = {}

    def start(self) -> None:
        self.began = self.shown = time.monotonic()
        self._line()

    def stop(self) -> None:
        self._line()

    def advance(self, n: float = 1, **fields: object) -> None:
        self.done += n
        self.update(**fields)

    def update(self, **fields: object) -> None:
        self.fields |= fields
        if time.monotonic() - self.shown >= PLAIN_SECONDS:
            self.shown = time.monotonic()
            self._line()

    def skip(self, n: float) -> None:
        self.before += n
        self.done += n

    def _line(self) -> None:
        seconds, here = time.monotonic() - self.began, self.done - self.before
        total = f"/{_number(self.total)}" if self.total is not None else ""
        parts = [f"{self.description}: {_number(self.done)}{total} {self.unit}"]
        if here and seconds > 0:
            parts += [f"{_clock(seconds)}", f"{_number(here / seconds)} {self.unit}/s"]
            if self.total and self.done < self.total:
                parts.append(f"{_clock(seconds * (self.total - self.done) / here)} left")
        print(", ".join([*parts, *_shown(self.fields)]), file=sys.stderr, flush=True)


class _Terminal:
    """A rich progress bar."""

    def __init__(self, total: float | None, description: str, unit: str) -> None:
        from rich import progress as rich
        from rich.markup import escape

        self.done, self.unit, self.fields = 0.0, unit, dict[str, object]()
        self.bar = rich.Progress(
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.TextColumn("{task.fields[count]}", markup=False),
            rich.TimeElapsedColumn(),
            rich.TextColumn("<"),
            rich.TimeRemainingColumn(),
            rich.TextColumn("{task.fields[shown]}", markup=False),
            console=_console(),
            refresh_per_second=4,
            redirect_stdout=False,  # rich would send what a command prints to stderr
        )
        self.total = total
        self.task = self.bar.add_task(escape(description), total=total, count=self._count(), shown="")

    def start(self) -> None:
        self.bar.start()

    def stop(self) -> None:
        self.bar.stop()

    def advance(self, n: float = 1, **fields: object) -> None:
        self.done += n
        self.fields |= fields
        self.bar.update(self.task, advance=n, count=self._count(), shown=", ".join(_shown(self.fields)))

    def update(self, **fields: object) -> None:
        self.advance(0, **fields)

    def skip(self, n: float) -> None:
        self.done += n
        self.bar.reset(self.task, completed=int(self.done), count=self._count(), shown="")

    def _count(self) -> str:
        total = f"/{_number(self.total)}" if self.total is not None else ""
        return f"{_number(self.done)}{total} {self.unit}"


@cache
def _console() -> Any:
    """One console for all bars: nested ones share the screen, and it follows a replaced ``sys.stderr``."""
    from rich.console import Console

    return Console(stderr=True)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _clock(seconds: float) -> str:
    """Seconds as ``4.2 s``, ``3:05`` or ``2:03:05``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _shown(fields: dict[str, object]) -> list[str]:
    return [f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in fields.items() if v is not None]
