"""docs/json.md and docs/cli.md, made from the code so that they cannot be wrong about it.

``python -m sibao.cli.reference docs`` writes both.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import typer

MADE = "<!-- Made by `make docs` from the code; do not edit. -->"


def json_document() -> str:
    """Every JSON object with its fields."""
    from sibao.cli.schema import OBJECTS

    parts: list[type[Any]] = []
    sections = [_section(kind, parts) for kind in OBJECTS]
    lines = [
        "# JSON output", "", MADE, "",
        "Every command takes `--json`: one JSON object on one line of stdout, progress on stderr. Exit code 0 is",
        "success, 1 failure, 2 bad input. A number that is not defined is `null`. Fields are added over time, never",
        "renamed or removed.", "",
    ]  # fmt: skip
    done = 0
    while done < len(parts):  # parts may name further parts
        sections.append(_section(parts[done], parts))
        done += 1
    return "\n".join([*lines, *sections])


def _section(kind: type[Any], parts: list[type[Any]]) -> str:
    title = kind.__name__.removesuffix("Out")
    rows = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in kind.model_fields.items():
        for part in _models(field.annotation):
            if part not in parts:
                parts.append(part)
        optional = "" if field.is_required() else " (optional)"
        rows.append(f"| `{field.alias or name}` | {_type(field.annotation)}{optional} | {field.description} |")
    return "\n".join([f"## {title}", "", *(kind.__doc__ or "").split("\n"), "", *rows, ""])


def _models(annotation: Any) -> Iterator[type[Any]]:
    if hasattr(annotation, "model_fields"):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _type(annotation: Any) -> str:
    """A type as a reader of JSON calls it."""
    names = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true or false",
        type(None): "null",
        Any: "anything",
    }
    origin, inner = getattr(annotation, "__origin__", None), get_args(annotation)
    if annotation in names:
        return names[annotation]
    if hasattr(annotation, "model_fields"):
        return annotation.__name__
    if origin is list:
        return f"list of {_type(inner[0])}"
    if origin is tuple:
        return f"list of {', '.join(map(_type, inner))}"
    if origin is dict:
        return f"object: name to {_type(inner[1])}"
    if all(isinstance(value, str | bool) for value in inner):
        return " or ".join(f"`{value}`".replace("True", "true") for value in inner)
    return " or ".join(map(_type, inner))


def command_document() -> str:
    """Every command with its arguments and options."""
    from sibao.cli.main import app

    root: Any = typer.main.get_command(app)
    common = "Common to all: exit code 0 is success, 1 failure, 2 bad input, 130 interrupted."
    lines = ["# Command line", "", MADE, "", common, ""]
    return "\n".join([*lines, *(_command(command, path) for path, command in commands(root, "sibao"))])


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """A command and all below it, with how they are called."""
    yield path, command
    if hasattr(command, "list_commands"):
        for name in command.list_commands(None):
            yield from commands(command.get_command(None, name), f"{path} {name}")


def _command(command: Any, path: str) -> str:
    lines = [f"## {path}", "", " ".join((command.help or "").split()), ""]
    if hasattr(command, "list_commands"):
        lines += ["Commands: " + ", ".join(f"`{name}`" for name in command.list_commands(None)), ""]
    kinds = _kinds(command)
    rows = [_row(parameter, kinds.get(parameter.name)) for parameter in command.params if parameter.name in kinds]
    if rows:
        lines += ["| argument or option | value | default | meaning |", "|---|---|---|---|", *rows, ""]
    examples = [line.strip() for line in (command.epilog or "").splitlines() if "sibao " in line]
    return "\n".join([*lines, *(["```sh", *examples, "```", ""] if examples else [])])


def _kinds(command: Any) -> dict[str, Any]:
    """The type of each parameter, from the function that is called (it is the same for every version of typer)."""
    if command.callback is None:
        return {}
    found = inspect.signature(command.callback, eval_str=True).parameters.values()
    return {
        parameter.name: parameter.annotation.__origin__
        for parameter in found
        if hasattr(parameter.annotation, "__origin__")
    }


def _row(parameter: Any, kind: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    if parameter.param_type_name == "argument":
        names = parameter.metavar or parameter.name.upper()
    default = parameter.default
    shown = "" if default in (None, False, "", []) else f"`{default}`".replace("True", "yes")
    cells = (
        names,
        "" if kind is bool else _value(kind, parameter.metavar if parameter.param_type_name == "option" else None),
        "required" if parameter.required else shown,
        parameter.help or "",
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _value(kind: Any, shown: str | None = None) -> str:
    """What a value may be, as the help has it where it says so."""
    inner = [part for part in get_args(kind) if part is not type(None)]
    if len(inner) == 1 and inner[0] is not kind and get_origin(inner[0]) is not None:
        return _value(inner[0], shown)
    if getattr(kind, "__origin__", None) is list:
        return f"{_value(inner[0], shown)}, several"
    if shown:
        return shown
    if inner and all(isinstance(part, str) for part in inner):
        return " or ".join(inner)
    if inner:
        return _value(inner[0])
    return {int: "whole number", float: "number", Path: "path"}.get(kind, "text")


def write(folder: Path) -> None:
    """Write both documents."""
    from sibao.core.paths import write_text

    write_text(folder / "json.md", json_document())
    write_text(folder / "cli.md", command_document())


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
