"""What a training run has logged so far, also while it is written: losses, speed and energy by step, evaluations, samples."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput
from sibao.core.paths import runs_dir
from sibao.store.values import plain
from sibao.workflows._run import LOG

Entry = dict[str, Any]


@dataclass(frozen=True)
class Cursor:
    """A place in a log: the file (a resumed run writes a new one) and how many bytes of it were read."""

    file: int = 0
    offset: int = 0

    def __str__(self) -> str:
        return f"{self.file}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """What ``str`` made.

        Raises:
            BadInput: something else.
        """
        file, dash, offset = text.partition("-")
        if not (dash and file.isascii() and offset.isascii() and file.isdigit() and offset.isdigit()) or len(text) > 60:
            raise BadInput(f"got the place {text[:60]!r} in a log, wanted one that a reading gave", hint="leave it out")
        return cls(int(file), int(offset))


@dataclass(frozen=True)
class Curves:
    """``steps`` and ``evals`` as the log has them (see ``training.callbacks``); ``cursor`` is where to read on.

    ``anew``: the log is another one than before; what was read earlier no longer holds.
    """

    steps: list[Entry] = field(default_factory=list)
    evals: list[Entry] = field(default_factory=list)
    cursor: Cursor = field(default_factory=Cursor)
    anew: bool = False


def log_of(run: str) -> Path:
    """A run's log; it need not be there."""
    return runs_dir() / run / LOG


def read_curves(run: str, after: Cursor | None = None) -> Curves:
    """What the log holds behind ``after`` (None: all of it). A last line without an end is left for the next reading."""
    after = after or Cursor()
    try:
        with log_of(run).open("rb") as file:
            number = os.fstat(file.fileno()).st_ino
            size = file.seek(0, 2)
            anew = after.file != number or after.offset > size
            begin = 0 if anew else after.offset
            file.seek(begin)
            whole, newline, _ = file.read().rpartition(b"\n")
    except FileNotFoundError:
        return Curves(cursor=after)
    entries = list(_entries(whole.splitlines()))
    cursor = Cursor(number, begin + len(whole) + len(newline))
    return Curves(
        [e for e in entries if "loss" in e], [e for e in entries if "valid_loss" in e], cursor, anew and after.file != 0
    )


def thinned(entries: Sequence[Entry], most: int) -> list[Entry]:
    """At most so many entries, evenly spread, the last one always among them."""
    if len(entries) <= most:
        return list(entries)
    every = -(-len(entries) // most)
    return [entry for place, entry in enumerate(entries) if (len(entries) - 1 - place) % every == 0]


def last_step(run: str) -> Entry | None:
    """The newest step of a log, from its end."""
    try:
        with log_of(run).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - (1 << 16)))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    return next((entry for entry in _entries(reversed(lines)) if "loss" in entry), None)


def _entries(lines: Iterable[bytes]) -> Iterable[Entry]:
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # half a line: of a killed process, or where a tail begins
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            yield plain(entry)
