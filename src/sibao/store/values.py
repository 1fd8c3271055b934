"""Values in the form that both databases can keep."""

from __future__ import annotations

import json
import math
from typing import Any


def text(value: str) -> str:
    """Text without what a UTF-8 database refuses: a NUL (PostgreSQL) and half a surrogate pair become U+FFFD.

    Models do write such characters; losing one is better than losing the row.
    """
    return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain(value: Any) -> Any:
    """JSON data: numbers that JSON has no word for become null, unknown objects (paths, dates) their text."""
    if isinstance(value, dict):
        return {text(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return text(str(value))


def dumps(value: Any) -> str:
    """The text of a JSON column; Chinese stays readable in it."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False)
