"""Which process trains a run: a small file in the run's folder while it does. So a run is never trained twice at once, and
another program (the web page) can ask the right process to stop."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from sibao.core.errors import BadInput
from sibao.core.paths import write_text

PROCESS = "process.json"
_SLACK = 1.0
"""Seconds by which two readings of one process's start may differ; a number that is used again starts later than that."""


@contextmanager
def present(folder: Path) -> Iterator[None]:
    """Say that this process trains the run, for the length of the block. Blocks of one process may lie in each other.

    Raises:
        BadInput: another process trains it.
    """
    found = trainer(folder)
    if found is not None and found.pid == os.getpid():
        yield
        return
    if found is not None:
        raise BadInput(
            f"run {folder.name} is being trained by process {found.pid}",
            hint="stop that one first, or wait for its end",
        )
    me = psutil.Process()
    write_text(folder / PROCESS, json.dumps({"pid": me.pid, "created": me.create_time()}) + "\n")
    try:
        yield
    finally:
        (folder / PROCESS).unlink(missing_ok=True)


def trainer(folder: Path) -> psutil.Process | None:
    """The process that trains a run now; None where there is none (a killed one leaves its file behind)."""
    try:
        said = json.loads((folder / PROCESS).read_text(encoding="utf-8"))
        process = psutil.Process(int(said["pid"]))
        there = process.status() != psutil.STATUS_ZOMBIE
        return process if there and abs(process.create_time() - float(said["created"])) < _SLACK else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
