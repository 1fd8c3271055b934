"""Options and answers of multiple-choice rows, in the forms that they are published in."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from sibao.core.errors import DataError
from sibao.core.types import Row
from sibao.evaluation.choice import LETTERS
from sibao.evaluation.places import field


def refuse(row: Row, name: str, message: str, hint: str = "") -> NoReturn:
    """What is wrong with a field of a row, with the file and line that it came from.

    Raises:
        DataError: always.
    """
    raise DataError(message, file=str(row.get("_file", "")), line=int(row.get("_line", 0)), field=name, hint=hint)


def texts(row: Row, names: Sequence[str]) -> tuple[str, ...]:
    """The options in columns of these names, as they stand (lm-evaluation-harness does not strip them either).

    Raises:
        DataError: one is missing or empty.
    """
    found = tuple(str(field(row, name, (str, int, float))) for name in names)
    for name, text in zip(names, found, strict=True):
        if not text.strip():
            refuse(row, name, "is empty, wanted an option")
    return found


def letter(row: Row, name: str, count: int) -> int:
    """The option that a letter names.

    Raises:
        DataError: not one of the first ``count`` letters.
    """
    text = field(row, name).strip().upper()
    if len(text) != 1 or text not in LETTERS[:count]:
        refuse(row, name, f"got {text!r}, wanted a letter from A to {LETTERS[count - 1]}")
    return LETTERS.index(text)


def index(row: Row, name: str, count: int) -> int:
    """The option that a number counts to, from 0; written as a number or as a text.

    Raises:
        DataError: not a number from 0 to ``count`` - 1.
    """
    value = field(row, name, (int, str))
    text = str(value).strip()
    if not text.isdecimal() or int(text) >= count:
        refuse(row, name, f"got {value!r}, wanted a number from 0 to {count - 1}")
    return int(text)


def ids(rows: Sequence[Row], name: str = "") -> list[str]:
    """Published ids (the field ``name``) where every row has one of its own; else each row's file and line, ``test.17``, which
    stay the same when only some of the rows are asked; else, for rows without those, numbers from 0."""
    published = [str(row.get(name, "")) for row in rows]
    places = [f"{stem(row)}.{row['_line']}" if row.get("_line") else "" for row in rows]
    for found in (published, places):
        if all(found) and len(set(found)) == len(found):
            return found
    return [str(number) for number in range(len(rows))]


def stem(row: Row) -> str:
    """The name of a row's file up to its first dot: ``lsat-ar`` of ``lsat-ar.jsonl.gz``."""
    return Path(str(row.get("_file", ""))).name.partition(".")[0]


def cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV file as they stand, header or not, each with the line that it ends on.

    Raises:
        DataError: it is not UTF-8, or not CSV.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except UnicodeDecodeError as error:
            raise DataError("invalid UTF-8", file=str(path), line=reader.line_num + 1) from error
        except csv.Error as error:
            raise DataError(f"invalid row: {error}", file=str(path), line=reader.line_num) from error


def columns(path: Path, names: Sequence[str] | None = None) -> Iterator[Row]:
    """Rows of a CSV file by ``names``, else by its first line, whose first name may be empty (an index of pandas).

    Raises:
        DataError: a row with another number of cells.
    """
    found = cells(path)
    header = list(names) if names is not None else [name.strip() for name in next(found, (0, []))[1]]
    for line, row in found:
        if len(row) != len(header):
            raise DataError(f"the row has {len(row)} columns, wanted {len(header)}", file=str(path), line=line)
        pairs: dict[str, Any] = {name: cell for name, cell in zip(header, row, strict=True) if name}
        yield {**pairs, "_file": str(path), "_line": line}
