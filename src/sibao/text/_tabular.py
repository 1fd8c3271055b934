"""Rows of .csv, .tsv and .parquet files."""

from __future__ import annotations

import csv
import datetime
import decimal
import math
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sibao.core.types import Row
from sibao.text._source import MAX_LINE, Broken, Fault, decode, lines, too_long

Found = tuple[int, Row | Fault]
PARQUET_ROWS = 64
"""Rows held at once; documents may be long."""


def read_csv(pieces: Iterable[bytes]) -> Iterator[Found]:
    """RFC 4180 with a header line; every value is a string (a column of figures keeps its leading zeros).

    Raises:
        Broken: the header cannot be used.
    """
    return _separated(pieces, delimiter=",", quoting=csv.QUOTE_MINIMAL)


def read_tsv(pieces: Iterable[bytes]) -> Iterator[Found]:
    """text/tab-separated-values (IANA): a header line, no quoting, so a quotation mark is a character like any other.

    Published corpora hold unbalanced quotation marks; reading those as quoting would swallow rows.
    """
    return _separated(pieces, delimiter="\t", quoting=csv.QUOTE_NONE)


class _Lines:
    """Lines for the csv module, which has no place for a fault: an undecodable byte travels through it as a lone
    surrogate and is found again in the cell, an overlong line as ``overlong``."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.lines = lines(pieces)
        self.overlong = False
        self.raw = b""

    def __iter__(self) -> Iterator[str]:
        for _, raw in self.lines:
            if raw is None:
                self.overlong = True
                yield "\n"
                continue
            if not raw.isascii() and not self.raw:
                self._note(raw)
            yield raw.decode("utf-8", "surrogateescape")

    def _note(self, raw: bytes) -> None:
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            self.raw = raw

    def check(self) -> None:
        """Raise what went wrong in the lines since the last check."""
        overlong, raw, self.overlong, self.raw = self.overlong, self.raw, False, b""
        if overlong:
            raise too_long()
        if raw:
            decode(raw)


def _separated(pieces: Iterable[bytes], delimiter: str, quoting: Any) -> Iterator[Found]:
    csv.field_size_limit(MAX_LINE)  # a setting of the whole module; its default of 128 KiB refuses documents
    source = _Lines(pieces)
    reader = csv.reader(source, delimiter=delimiter, quoting=quoting, strict=True)
    header: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = _next(reader, source, line)
            if cells is None:
                return
            if cells and header:
                yield line, _named(header, cells)
            elif cells:
                header = _header(cells)
        except Broken:
            raise
        except Fault as fault:
            if not header:
                raise Broken(f"the header: {fault.message}", line=line, hint=fault.hint) from fault
            yield line, fault


def _next(reader: Any, source: _Lines, line: int) -> list[str] | None:
    """The next row, None at the end. One open quotation mark can take in many lines, so the message says how many."""
    try:
        cells: list[str] | None = next(reader, None)
    except csv.Error as error:
        source.check()
        last = f" (lines {line} to {reader.line_num})" if reader.line_num > line else ""
        raise Fault(f"invalid row{last}: {error}", hint=_QUOTES) from error
    source.check()
    return cells


_QUOTES = "a quoted value must be closed, and a quotation mark inside it doubled"


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if not all(names):
        raise Fault(f"column {names.index('') + 1} has no name")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Fault(f"the column {twice[0]!r} is there twice")
    return names


def _named(header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        field = header[len(cells)] if len(cells) < len(header) else ""
        raise Fault(f"the row has {len(cells)} columns, the header {len(header)}", field=field)
    return dict(zip(header, cells, strict=True))


def read_parquet(path: Path) -> Iterator[Found]:
    """Rows in file order; the number is that of the row.

    Raises:
        Broken: DuckDB cannot read the file (on).
    """
    import duckdb

    number = 0
    try:
        with _plain_name(path) as name, duckdb.connect(config={"threads": 1, "memory_limit": "512MB"}) as connection:
            connection.execute("SET enable_progress_bar = false")  # a slow query would write one to standard output
            cursor = connection.execute("SELECT * FROM read_parquet(?)", [name])
            names = [column[0] for column in cursor.description or []]
            while batch := cursor.fetchmany(PARQUET_ROWS):
                for values in batch:
                    number += 1
                    yield number, _values(names, values)
    except (duckdb.Error, UnicodeDecodeError) as error:
        message = str(error).splitlines()[0]
        raise Broken(f"the Parquet file cannot be read: {message}", line=number + 1 if number else 0) from error


@contextmanager
def _plain_name(path: Path) -> Iterator[str]:
    """DuckDB takes ``*?[`` in a path for a pattern: such a file is read through a link with a plain name."""
    if not set("*?[") & set(str(path.resolve())):
        yield str(path.resolve())
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "rows.parquet"
        link.symlink_to(path.resolve())
        yield str(link)


def _values(names: list[str], values: tuple[Any, ...]) -> Row | Fault:
    row: Row = {}
    for name, value in zip(names, values, strict=True):
        try:
            row[name] = _json_value(value)
        except Fault as fault:
            fault.field = name
            return fault
    return row


def _json_value(value: Any) -> Any:
    """The value as JSON would hold it, so that rows are the same whatever file they came from."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Fault(f"{value} is no number", hint="use null")
        return value
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    raise Fault(f"a value of type {type(value).__name__} has no place in a row of text")
