"""Rows of data files in every published form, streamed: memory depends on the longest row, not on the file.

for row in read_rows("data/train.jsonl.zst"):
    print(kind_of(row), text_of(row))

No row is ever dropped in silence: a bad one raises a DataError with file, line and field, or is handed to a reporter.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from glob import glob, has_magic
from pathlib import Path
from typing import Literal

from sibao.core.errors import BadInput, DataError
from sibao.core.types import Row
from sibao.text._json import Found, read_json, read_jsonl
from sibao.text._source import Broken, Fault, chunks, raw_file, raw_stdin
from sibao.text._tabular import read_csv, read_parquet, read_tsv
from sibao.text._txt import read_txt
from sibao.text.rows import BadRow as BadRow
from sibao.text.rows import kind_of as kind_of
from sibao.text.rows import text_of as text_of

OnBad = Literal["raise", "report"]
Reporter = Callable[[BadRow], object]
COMPRESSIONS = (".gz", ".zst")
_STREAMED: dict[str, Callable[[Iterable[bytes]], Iterator[Found]]] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".txt": read_txt,
}
FORMATS = (*_STREAMED, ".parquet")


def read_rows(path: Path | str, *, on_bad: OnBad = "raise", reporter: Reporter | None = None) -> Iterator[Row]:
    """Rows of one file; ``-`` is standard input (JSON, JSON lines or text, told by its first bytes; also compressed).

    Args:
        on_bad: ``raise`` stops at the first bad row; ``report`` hands it to ``reporter`` and goes on.
        reporter: takes every bad row, such as ``list.append``; needed with ``report``.

    Raises:
        BadInput: an unknown extension, or ``report`` without a reporter.
        DataError: no such file, an empty one, or a bad row.
    """
    return (row for _, row in read_numbered(path, on_bad=on_bad, reporter=reporter))


def read_numbered(
    path: Path | str,
    *,
    on_bad: OnBad = "raise",
    reporter: Reporter | None = None,
    on_bytes: Callable[[int], object] | None = None,
) -> Iterator[tuple[int, Row]]:
    """As ``read_rows``, each row with the line it starts on (its number, in Parquet).

    ``on_bytes`` is told how many more bytes of the file were read, for a progress bar.
    """
    path = Path(path)
    if on_bad not in ("raise", "report"):
        raise BadInput(f"on_bad is {on_bad!r}, wanted 'raise' or 'report'")
    if on_bad == "report" and reporter is None:
        raise BadInput("on_bad='report' needs a reporter that takes the bad rows", hint="reporter=bad_rows.append")
    if str(path) != "-":
        if path.is_dir():
            raise BadInput(f"{path} is a folder, wanted a file", hint="expand(path) lists the data files in it")
        format_of(path)
        if not path.exists():
            raise DataError("no such file", file=str(path))
    return _rows(path, reporter if on_bad == "report" else None, on_bytes)


def format_of(path: Path) -> tuple[str, str]:
    """Format and compression by the file name, such as ``(".jsonl", ".zst")``.

    Raises:
        BadInput: an extension that is not known; the known ones are listed.
    """
    name = path.name.lower()
    compression = next((ending for ending in COMPRESSIONS if name.endswith(ending)), "")
    bare = name.removesuffix(compression)
    for ending in FORMATS:
        if bare.endswith(ending):
            return ending, compression
    raise BadInput(
        f"{path} has no extension that Sibao reads", hint=f"known: {', '.join(FORMATS)}, each also with .gz or .zst"
    )


def expand(paths: Path | str | Iterable[Path | str]) -> list[Path]:
    """Files named by paths, folders (all data files below, hidden ones left out) and patterns, in stable order.

    Raises:
        BadInput: a pattern or folder without a data file, a file with an unknown extension, or no path at all.
        DataError: no such file.
    """
    given = [paths] if isinstance(paths, Path | str) else list(paths)
    if not given:
        raise BadInput("no data file was given")
    return list(dict.fromkeys(file for path in given for file in _expand_one(Path(path))))


def _expand_one(path: Path) -> list[Path]:
    if str(path) == "-":
        return [path]
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path)))
        found = [p for p in inside if _known(p)]
        what = "no data file in the folder"
    elif not path.exists() and has_magic(str(path)):
        found = [Path(p) for p in sorted(glob(str(path), recursive=True)) if Path(p).is_file()]  # noqa: PTH207 (absolute patterns)
        what = "no file matches the pattern"
    else:
        if not path.exists():
            raise DataError("no such file", file=str(path))
        found, what = [path], ""
    if not found:
        raise BadInput(f"{what} {path}", hint=f"known extensions: {', '.join(FORMATS)}, each also with .gz or .zst")
    for file in found:
        format_of(file)
    return found


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _known(path: Path) -> bool:
    try:
        format_of(path)
    except BadInput:
        return False
    return True


def _rows(path: Path, reporter: Reporter | None, on_bytes: Callable[[int], object] | None) -> Iterator[tuple[int, Row]]:
    name = "<stdin>" if str(path) == "-" else str(path)
    count = 0
    for line, found in _until_broken(_open(path, on_bytes)):
        count += 1
        if not isinstance(found, Fault):
            yield line, found
            continue
        bad = BadRow(name, line, found.field, found.message, found.hint)
        if reporter is None:
            raise bad.error() from found
        reporter(bad)
    if not count:
        bad = BadRow(name, 0, "", "the file holds no rows", "is it the right file, and was it written to its end?")
        if reporter is None:
            raise bad.error()
        reporter(bad)


def _until_broken(rows: Iterator[Found]) -> Iterator[Found]:
    """The rows; damage that ends the file is its last item."""
    try:
        yield from rows
    except Broken as error:
        yield error.line, error


def _open(path: Path, on_bytes: Callable[[int], object] | None) -> Iterator[Found]:
    if str(path) == "-":
        return _sniffed()
    ending, compression = format_of(path)
    if ending == ".parquet":
        return _parquet(path, compression, on_bytes)
    return _STREAMED[ending](chunks(raw_file(path, on_bytes), compression))


def _parquet(path: Path, compression: str, on_bytes: Callable[[int], object] | None) -> Iterator[Found]:
    """Parquet is read from its end, so a compressed one is unpacked to disk first."""
    if not compression:
        yield from read_parquet(path)
        if on_bytes:
            on_bytes(path.stat().st_size)
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "rows.parquet"
        with plain.open("wb") as file:
            file.writelines(chunks(raw_file(path, on_bytes), compression))
        yield from read_parquet(plain)


_MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}


def _sniffed() -> Iterator[Found]:
    """Standard input: compressed or not by its magic number, then JSON lines, a JSON array or text."""
    first, rest = _head(raw_stdin(), 4)
    compression = next((name for magic, name in _MAGIC.items() if first.startswith(magic)), "")
    head, pieces = _head(chunks(rest, compression), 4096)
    if re.match(rb'\s*\{\s*["}]', head):
        return read_jsonl(pieces)
    if re.match(rb"\s*\[\s*[{\]]", head):
        return read_json(pieces)
    return read_txt(pieces)


def _head(pieces: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes (at least ``size``, if there are as many) and the whole again."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= size:
            break
    return head, itertools.chain([head], pieces)
