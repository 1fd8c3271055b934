"""Jinja in YAML tasks: lm-evaluation-harness' settings, in the sandbox that chat templates run in.

A template sees the fields of one row and nothing else; it cannot reach Python, and has a budget of work for each rendering.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sibao.core.errors import BadInput, DataError, ModelError
from sibao.core.types import Row

MAX_TEMPLATE = 1 << 16
"""Characters of a template at most."""
_FAULTS = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError, MemoryError)


@lru_cache(maxsize=64)
def _compiled(template: str) -> Any:
    from jinja2 import StrictUndefined, TemplateError

    from sibao.text._bounded import BoundedEnvironment, budget

    if len(template) > MAX_TEMPLATE:
        raise BadInput(f"a template has {len(template)} characters; at most {MAX_TEMPLATE} are read")
    environment = BoundedEnvironment()
    # Chat templates drop line ends around blocks; task templates keep every one.
    environment.trim_blocks = environment.lstrip_blocks = False
    environment.keep_trailing_newline = True
    environment.undefined = StrictUndefined
    environment.filters["regex_replace"] = _regex_replace
    try:
        with budget():
            return environment.from_string(template)
    except (TemplateError, SyntaxError, ModelError, RecursionError, MemoryError) as error:
        raise BadInput(f"not a template that can be read: {error}", hint=f"it is {template[:120]!r}") from None


def _regex_replace(string: str, pattern: str, repl: str, count: int = 0) -> str:
    """The one filter that lm-evaluation-harness adds."""
    return re.sub(pattern, repl, string, count=count)


def check(template: object) -> None:
    """Refuse a template that is not Jinja, before any row is read.

    Raises:
        BadInput: so.
    """
    if isinstance(template, str):
        _compiled(template)


def render(template: str, row: Row) -> str:
    """The template filled with a row's fields.

    Raises:
        DataError: it names a field that the row does not have, or fails; says file, line and what it was.
    """
    compiled = _compiled(template)
    with _located(row, template):
        from sibao.text._bounded import budget

        with budget([_shown(row)]):
            return str(compiled.render(_shown(row)))


def look_up(spec: str, row: Row) -> Any:
    """A field of the row where ``spec`` is the name of one, else ``spec`` rendered as a template."""
    return row[spec] if spec in row else render(spec, row)


def listed(spec: str, row: Row) -> Any:
    """The same where a list is wanted: what a template makes is read as a Python literal, as lm-evaluation-harness does.

    Raises:
        DataError: it is no literal.
    """
    if spec in row:
        return row[spec]
    text = render(spec, row)
    with _located(row, spec):
        return ast.literal_eval(text)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without the place it came from."""
    return {str(key): value for key, value in row.items() if not str(key).startswith("_")}


@contextmanager
def _located(row: Row, template: str) -> Iterator[None]:
    from jinja2 import TemplateError

    try:
        yield
    except (TemplateError, SyntaxError, ModelError, *_FAULTS) as error:
        why = error.message if isinstance(error, ModelError | TemplateError) else f"{type(error).__name__}: {error}"
        raise DataError(
            f"the template {template[:80]!r} cannot be filled: {why}", file=str(row.get("_file", "")),
            line=int(row.get("_line", 0)), hint=f"fields of the row: {', '.join(_shown(row))}",
        ) from None  # fmt: skip
