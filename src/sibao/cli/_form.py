"""The form of an answer from flags: one of ``--json-schema --regex --grammar --choices``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from sibao.core.errors import BadInput

JsonSchema = Annotated[
    str | None,
    typer.Option("--json-schema", metavar="FILE|JSON", help="The answer is JSON that is valid under this JSON schema."),
]
Regex = Annotated[
    str | None,
    typer.Option("--regex", metavar="REGEX", help="The answer matches this from end to end (Rust's syntax)."),
]
Grammar = Annotated[
    str | None,
    typer.Option("--grammar", metavar="FILE", help="The answer follows this grammar (Lark's syntax, from rule start)."),
]
Choices = Annotated[
    str | None, typer.Option("--choices", metavar="A,B,...", help="The answer is one of these, parted by commas.")
]


def response_format(
    json_schema: str | None, regex: str | None, grammar: str | None, choices: str | None
) -> dict[str, Any] | None:
    """What the flags ask for, in the form of ``core.types.GenerateOptions``; None where nothing is asked for.

    Raises:
        BadInput: more than one flag, a file that cannot be read, or a schema that is no JSON.
    """
    given = {"--json-schema": json_schema, "--regex": regex, "--grammar": grammar, "--choices": choices}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise BadInput(f"got {' and '.join(names)}, wanted one form of the answer", hint="leave out all but one")
    if json_schema is not None:
        return {"type": "json_schema", "json_schema": {"schema": _schema(json_schema)}}
    if regex is not None:
        return {"type": "regex", "regex": regex}
    if grammar is not None:
        return {"type": "grammar", "grammar": _read(grammar, "--grammar")}
    if choices is not None:
        return {"type": "choice", "choices": [part.strip() for part in re.split("[,，]", choices) if part.strip()]}
    return None


def _schema(value: str) -> Any:
    text = value if value.lstrip().startswith("{") else _read(value, "--json-schema")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"--json-schema: the schema is no JSON: {error}", hint='a schema: {"type": "object"}') from None


def _read(path: str, flag: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a path that no system takes
        raise BadInput(f"{flag}: {path!r} cannot be read: {error}", hint="name a text file") from None
