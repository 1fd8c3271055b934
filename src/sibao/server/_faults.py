"""Which of the things that pydantic finds wrong with a body is told, and under which name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_FORMS = ("literal_error", "union_tag_invalid")
"""Beside the errors of types these only say that a value has another of the forms that it may have."""


def first_fault(errors: Sequence[Any], body: Any) -> tuple[str, str | None]:
    """What is wrong, and the field; never the value, which may be megabytes.

    Of a value that may have several forms pydantic tells what is wrong with it as each of them. Told is what is wrong with
    it in the form that it has, so rather a number out of range than another type, and rather deeper down.

    Args:
        errors: pydantic's, with ``loc`` from ``("body", ...)``. body: what was sent.
    """
    if not errors:
        return "the body is not valid", None
    if errors[0]["type"] == "json_invalid":
        place = errors[0]["loc"][-1]
        return f"the body is no JSON, at character {place}: {errors[0].get('ctx', {}).get('error', '')}"[:300], None
    paths = [_path(one, body) for one in errors]
    best = max(range(len(errors)), key=lambda n: (not _of_form(errors[n]["type"]), len(paths[n])))
    where, said = ".".join(paths[best]), str(errors[best]["msg"])[:300]
    return (f"{where}: {said}", where) if where else (f"the body is not valid: {said}", None)


def _of_form(kind: str) -> bool:
    return kind.endswith("_type") or kind in _FORMS


def _path(error: Any, body: Any) -> list[str]:
    """Names and numbers that lead to the value, without pydantic's names of the forms between them."""
    if error["loc"][:1] != ("body",):
        return [str(part)[:80] for part in error["loc"][1:]]
    found, value = list[str](), body
    for place, part in enumerate(error["loc"][1:], 2):
        last = place == len(error["loc"])
        if isinstance(value, dict) and (part in value or (last and error["type"] == "missing")):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        found.append(str(part)[:80])
    return found
