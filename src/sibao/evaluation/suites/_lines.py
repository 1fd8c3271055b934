"""Published files of plain lines, which are no rows of a known format."""

from __future__ import annotations

from pathlib import Path

from sibao.core.errors import DataError


def lines(path: Path) -> list[tuple[int, str]]:
    """(number from 1, line without the space around it) of every line that is not empty.

    Raises:
        DataError: the file is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"the file is not UTF-8: {error}", file=str(path)) from error
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
