"""What people and programs see: text on stdout, notes on stderr, one JSON object with ``--json``."""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any

from sibao import __version__


def write(text: str) -> None:
    """A piece of text on stdout, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def note(*lines: str) -> None:
    """Remarks for people, on stderr."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def head(command: str, model: str | None) -> dict[str, Any]:
    """What every JSON object begins with."""
    return {"command": command, "model": model, "version": __version__}


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on one line of stdout. A number that is none (NaN, infinity) becomes null."""
    write(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, default=str) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def render(thing: Any) -> None:
    """A rich renderable (a table, say) on stdout."""
    from rich.console import Console

    Console(file=sys.stdout, highlight=False, emoji=False, markup=False, soft_wrap=not sys.stdout.isatty()).print(thing)


def failure(message: str, hint: str) -> None:
    """An error for people: red on a terminal, plain elsewhere."""
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")  # https://no-color.org
    red, grey, end = ("\033[31m", "\033[2m", "\033[0m") if coloured else ("", "", "")
    note(f"{red}error: {message}{end}")
    if hint:
        note(f"{grey}hint:{end} {hint}")
