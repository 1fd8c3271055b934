"""Dropout of encoders: kept as the file has it, so that a model goes out as it came in. Answering needs none of it, and
training here adds none."""

from __future__ import annotations

from typing import Any

from sibao.core.errors import ModelError
from sibao.models.base import Keys

Dropouts = tuple[tuple[str, float | None], ...]


def read_dropouts(keys: Keys, *names: str) -> Dropouts:
    """The values of these keys that ``config.json`` has, null among them.

    Raises:
        ModelError: one that is no probability.
    """
    found: list[tuple[str, float | None]] = []
    for name in names:
        value: Any = keys.optional(name, ...)
        if value is ...:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and 0 <= value <= 1):
            raise ModelError(f"config.json has {name} = {value!r}; wanted a number from 0 to 1")
        found.append((name, value))
    return tuple(found)
