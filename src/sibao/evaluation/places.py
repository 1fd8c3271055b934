"""Where a suite's published files are: a path the user gives, the folder of all suites, or the sample in the package."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sibao.core.config import settings
from sibao.core.errors import BadInput, DataError
from sibao.core.types import Row
from sibao.text.readers import read_numbered

SAMPLES = Path(__file__).resolve().parent.parent / "samples" / "suites"


@dataclass(frozen=True)
class Place:
    """The folder that holds a suite's files. ``sample`` says that they are the package's own few rows.

    ``only`` is (pattern, file) where the user named one file: it alone stands for the pattern, whatever its name.
    """

    folder: Path
    sample: bool = False
    only: tuple[str, Path] | None = None

    def matching(self, pattern: str) -> list[Path]:
        """The files of a pattern of ``glob``, sorted; none where there are none."""
        if self.only is not None and pattern == self.only[0]:
            return [self.only[1]]
        return sorted(path for path in self.folder.glob(pattern) if path.is_file())

    def has(self, pattern: str) -> bool:
        """Whether a file of that name (a pattern of ``glob``, too) is there."""
        return bool(self.matching(pattern))

    def files(self, pattern: str) -> list[Path]:
        """The files of a pattern, sorted.

        Raises:
            DataError: there is none.
        """
        found = self.matching(pattern)
        if not found:
            raise DataError("no such file", file=str(self.folder / pattern), hint="see docs/evaluate.md for the files")
        return found

    def rows(self, pattern: str) -> Iterator[Row]:
        """Rows of all files of a pattern in order, each with the ``_file`` and ``_line`` it came from.

        Raises:
            DataError: no such file, or a line that cannot be read.
        """
        for path in self.files(pattern):
            for line, row in read_numbered(path):
                yield {**row, "_file": str(path), "_line": line}

    def digest(self, patterns: tuple[str, ...]) -> str:
        """Eight hexadecimal digits over the bytes of the files: the data's part of a signature."""
        total = hashlib.sha256()
        for path in sorted({path for pattern in patterns for path in self.matching(pattern)}):
            total.update(path.name.encode() + b"\0" + path.read_bytes())
        return total.hexdigest()[:8]


def find(folder: str, files: tuple[str, ...], path: str | Path | None = None) -> Place:
    """The place of a suite: ``path`` itself or the folder below it, else the setting ``suites``, else the sample.

    ``path`` may be the suite's own folder, a folder of many suites (at most two levels above it), or the one file that is to
    be scored. A task of the user's own names its ``folder`` from the root; without a ``path`` that is the place.

    Raises:
        BadInput: the files are in none of these; says which were looked in.
    """
    own = folder if Path(folder).is_absolute() else None
    roots = [Path(p).expanduser() for p in (path or own or settings().suites,) if p]
    looked: list[Path] = []
    for root in roots:
        if root.is_file():
            return _of_file(root, files)
        for candidate in (root / folder, *sorted(root.glob(f"*/{folder}")), root):
            looked.append(candidate)
            if candidate.is_dir() and any(candidate.glob(files[0])):
                return Place(candidate)
    if path is None and any((SAMPLES / folder).glob(files[0])):
        return Place(SAMPLES / folder, sample=True)
    seen = ", ".join(str(p) for p in looked) or "no folder (none was given)"
    raise BadInput(
        f"found no {files[0]} of {folder}: looked in {seen}",
        hint="name the folder with --path, or all suites' folder as `suites` in config.toml",
    )


def _of_file(file: Path, files: tuple[str, ...]) -> Place:
    """The place of one file. It is what is scored, unless it is another of the published ones (the worked examples)."""
    above = file.resolve().parents
    for pattern in files[1:]:
        folder = above[min(pattern.count("/"), len(above) - 1)]
        if file.match(pattern) and not file.match(files[0]) and any(folder.glob(files[0])):
            return Place(folder)
    return Place(above[min(files[0].count("/"), len(above) - 1)], only=(files[0], file))


def field(row: Row, name: str, kind: type | tuple[type, ...] = str) -> Any:
    """One field of a published row, of the type that it is published in.

    Raises:
        DataError: it is missing or of another type; says file, line and field.
    """
    where = {"file": str(row.get("_file", "")), "line": int(row.get("_line", 0)), "field": name}
    if name not in row or row[name] is None:
        known = ", ".join(sorted(str(key) for key in row if not str(key).startswith("_")))
        raise DataError(f"missing, the row has {known}", **where)  # type: ignore[arg-type]
    if not isinstance(row[name], kind) or (isinstance(row[name], bool) and kind is int):
        wanted = kind.__name__ if isinstance(kind, type) else " or ".join(k.__name__ for k in kind)
        raise DataError(f"got {type(row[name]).__name__}, wanted {wanted}", **where)  # type: ignore[arg-type]
    return row[name]
