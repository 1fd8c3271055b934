"""Files of the exchange forms: read whole (.gz and .zst too), written atomically."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from sibao.core.errors import DataError
from sibao.core.paths import atomic_path
from sibao.text._source import Broken, chunks, raw_file

MOST_BYTES = 1 << 30
"""Of a file unpacked. The whole dump of Papers with Code has a fifth of it."""


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        DataError: it cannot be read, is damaged or too large, or is not UTF-8.
    """
    compression = path.suffix if path.suffix in (".gz", ".zst") else ""
    parts, size = [], 0
    try:
        for piece in chunks(raw_file(path), compression):
            parts.append(piece)
            size += len(piece)
            if size > MOST_BYTES:
                raise DataError(f"more than {MOST_BYTES} bytes unpacked", file=str(path), hint="read it in parts")
    except Broken as error:
        raise DataError(error.message, file=str(path), hint=error.hint) from None
    try:
        return b"".join(parts).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 at byte {error.start}", file=str(path), hint="convert it to UTF-8") from None


def read_json(path: Path) -> Any:
    """The JSON of a file.

    Raises:
        DataError: see ``read_text``; or it is no JSON, with the line.
    """
    content = read_text(path)
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON: {error.msg}", file=str(path), line=error.lineno) from None
    except (RecursionError, ValueError) as error:  # ValueError: a whole number of more than 4,300 digits
        raise DataError(f"not read as JSON: {error}", file=str(path), hint="no real table is so deep") from None


def read_yaml(path: Path, content: str | None = None, *, first_line: int = 1) -> Any:
    """The YAML of a file, or of a part of it that begins at ``first_line``.

    Raises:
        DataError: see ``read_text``; or it is no YAML, with the line.
    """
    import yaml

    try:
        return yaml.safe_load(read_text(path) if content is None else content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that no calendar has
        mark = getattr(error, "problem_mark", None)
        line = first_line + mark.line if mark is not None else 0
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise DataError(f"not YAML: {problem}", file=str(path), line=line) from None


def write_file(path: Path, content: str) -> None:
    """Write a text atomically; gzipped where the name ends in .gz, the same bytes each time."""
    raw = content.encode("utf-8")
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)
