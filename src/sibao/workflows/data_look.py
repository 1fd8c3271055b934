"""A file that somebody hands over: put aside under a name of our own, looked at, and gone again.

Of the name that it comes with only the ending is used, never as a path.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from sibao.core.errors import BadInput, DataError
from sibao.core.types import Row
from sibao.text._source import Broken, chunks, raw_file
from sibao.text.readers import format_of, read_numbered
from sibao.text.report import DataReport, Encoder
from sibao.text.rows import BadRow, kind_of
from sibao.workflows.data import inspect

MOST_ROWS = 2_000_000
MOST_BYTES = 512 << 20
"""Rows, and bytes once unpacked: a small packed file may hold any number of both."""
LOOKED_AT, SHOWN = 1000, 5
"""Rows whose fields are counted, and rows that are shown."""
LONG = 400
"""Characters of a value that are shown; what is left out is counted."""
_DIRECTORIES = re.compile(r".*[/\\]", re.DOTALL)


@dataclass(frozen=True)
class Value:
    """A value as text, and how many of its characters are not shown."""

    text: str
    left_out: int = 0


@dataclass(frozen=True)
class Shown:
    """One row: its line, its form (empty: none that is known), its values."""

    line: int
    kind: str
    values: dict[str, Value]


@dataclass(frozen=True)
class Field:
    """A field: the rows that have it, among those looked at, and the types of its values."""

    name: str
    rows: int
    types: tuple[str, ...]


@dataclass(frozen=True)
class Look:
    """What a file was understood to be."""

    name: str
    form: str
    compression: str
    bytes: int
    report: DataReport
    looked_at: int = 0
    fields: list[Field] = field(default_factory=list)
    sample: list[Shown] = field(default_factory=list)


def shown_name(name: str) -> str:
    """The last part of a file's name, printable, at most 120 characters."""
    last = _DIRECTORIES.sub("", name)
    return "".join(c for c in last if c.isprintable())[-120:] or "?"


@contextmanager
def put_aside(content: IO[bytes], name: str) -> Iterator[Path]:
    """The content as a file in a folder that is gone after the block.

    Raises:
        BadInput: an ending that is not read; or, unpacked, too large.
    """
    ending, compression = format_of(Path(shown_name(name)))
    with tempfile.TemporaryDirectory(prefix="sibao-") as folder:
        path = Path(folder) / f"upload{ending}{compression}"
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
        if compression:
            _refuse_large(path, compression)
        yield path


def look(content: IO[bytes], name: str, tokenizer: Encoder | None = None) -> Look:
    """Understand a file: its form, rows, fields, languages, tokens, duplicates, and every row that is bad.

    Raises:
        BadInput: an ending that is not read, too many rows, or too large once unpacked.
    """
    called = shown_name(name)
    with put_aside(content, name) as path:
        report = inspect(path, tokenizer=tokenizer, workers=1, most=MOST_ROWS, quiet=True)
        report.files, report.bad = [called], [replace(bad, file=called) for bad in report.bad]
        rows = list(itertools.islice(read_numbered(path, on_bad="report", reporter=lambda bad: None), LOOKED_AT))
        ending, compression = format_of(path)
        fields, sample = _fields([row for _, row in rows]), [_shown(*one) for one in rows[:SHOWN]]
        return Look(called, ending[1:], compression[1:], path.stat().st_size, report, len(rows), fields, sample)


def rows_of(content: IO[bytes], name: str, most: int) -> list[Row]:
    """All rows of a file.

    Raises:
        DataError: a row that cannot be read, by the file's own name and line. BadInput: see ``put_aside``; too many rows.
    """
    called = shown_name(name)
    with put_aside(content, name) as path:
        bad: list[BadRow] = []
        found = list(itertools.islice(read_numbered(path, on_bad="report", reporter=bad.append), most + 1))
    if bad:
        raise replace(bad[0], file=called).error()
    if len(found) > most:
        raise BadInput(f"{called} has more than {most:,} rows", hint="take fewer; a race ends early anyway")
    return [row for _, row in found]


def _refuse_large(path: Path, compression: str) -> None:
    size = 0
    try:
        for piece in chunks(raw_file(path), compression):
            size += len(piece)
            if size > MOST_BYTES:
                raise BadInput(f"unpacked it has more than {MOST_BYTES >> 20} MiB", hint="take a part of it")
    except Broken:
        return  # the reader will say so, by line


def _fields(rows: list[Row]) -> list[Field]:
    counts: Counter[str] = Counter()
    types: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, value in row.items():
            counts[name] += 1
            types.setdefault(name, {})[_type(value)] = None
    return [Field(name[:120], count, tuple(types[name])) for name, count in counts.most_common(50)]


def _type(value: Any) -> str:
    names = {
        str: "text",
        bool: "boolean",
        int: "number",
        float: "number",
        list: "list",
        dict: "object",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)


def _shown(line: int, row: Row) -> Shown:
    try:
        kind: str = kind_of(row)
    except DataError:
        kind = ""
    return Shown(line, kind, {name[:120]: _value(value) for name, value in itertools.islice(row.items(), 50)})


def _value(value: Any) -> Value:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "replace").decode()
    return Value(text[:LONG], max(0, len(text) - LONG))
