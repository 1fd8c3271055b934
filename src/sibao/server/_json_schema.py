"""JSON schemas within JSON schemas: moved to another place, and closed against what they do not name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ONE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_TOGETHER = {"allOf", "anyOf", "oneOf", "$ref", "if", "patternProperties", "unevaluatedProperties", "dependentSchemas"}
"""Beside these ``properties`` alone does not say which names there are."""
Schema = dict[str, Any]


def moved(schema: Schema, place: str) -> Schema:
    """The same schema for another place of a document: references into itself begin with ``place``, a JSON pointer."""

    def change(one: Schema) -> Schema:
        target = one.get("$ref")
        if not isinstance(target, str) or not (target == "#" or target.startswith("#/")):
            return one
        return one | {"$ref": f"#{place}{target[1:]}"}

    return _each(schema, change)


def closed(schema: Schema) -> Schema:
    """Objects have the properties that are named, and none that a model makes up; where a schema says itself what else there
    may be, or puts several together, it stays."""

    def change(one: Schema) -> Schema:
        if "properties" not in one or "additionalProperties" in one or _TOGETHER & one.keys():
            return one
        return one | {"additionalProperties": False}

    return _each(schema, change, beside=False)


def _each(schema: Schema, change: Callable[[Schema], Schema], *, beside: bool = True) -> Schema:
    """With ``change`` on it and on every schema within. ``beside``: also on those that hold together with others."""

    def inner(value: Any) -> Any:
        return _each(value, change, beside=beside) if isinstance(value, dict) else value

    found = dict(schema)
    skipped: set[str] = set() if beside else {"allOf", "not", "if", "then", "else", "dependentSchemas"}
    if not beside and "properties" in schema:
        skipped |= {"anyOf", "oneOf"}
    for name, value in schema.items():
        if name in skipped:
            continue
        if name in _ONE:
            found[name] = inner(value)
        elif name in _LISTED and isinstance(value, list):
            found[name] = [inner(one) for one in value]
        elif name in _NAMED and isinstance(value, dict):
            found[name] = {key: inner(one) for key, one in value.items()}
    return change(found)
