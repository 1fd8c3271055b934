"""Where the rows of a YAML task are: local files only; a name of the hub means a folder that the user has copied."""

from __future__ import annotations

import os
from dataclasses import dataclass
from glob import escape, has_magic
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput
from sibao.core.types import Row
from sibao.evaluation.places import Place

LOADERS = ("json", "csv", "parquet")
"""Kinds of ``dataset_path`` whose files ``dataset_kwargs`` names. Others of `datasets` read files in ways of their own."""
_KNOWN = ("data_files", "data_dir", "trust_remote_code")


@dataclass(frozen=True)
class Files:
    """A folder, and the pattern in it of each split's files. ``patterns`` is empty where the folder's layout says it: files
    named by their split (``test.jsonl``, ``test-00000-of-00001.parquet``)."""

    folder: str
    patterns: dict[str, tuple[str, ...]]

    def of(self, split: str) -> tuple[str, ...]:
        """The patterns of a split.

        Raises:
            BadInput: the task names files, but none for it.
        """
        if self.patterns and split not in self.patterns:
            raise BadInput(
                f"the task's data_files name no split {split!r}", hint=f"they name {', '.join(self.patterns)}"
            )
        return self.patterns.get(split) or (f"{escape(split)}[.-]*",)

    def rows(self, place: Place, split: str) -> list[Row]:
        """All rows of a split."""
        return [row for pattern in self.of(split) for row in place.rows(pattern)]


def files_of(task: dict[str, Any], path: Path) -> Files:
    """The files that a task names; relative ones stand beside its YAML, else in the working folder.

    Raises:
        BadInput: no ``dataset_path``, or a way of loading that is not read.
    """
    name, given = task.get("dataset_path"), task.get("dataset_kwargs") or {}
    if not isinstance(name, str) or not isinstance(given, dict):
        raise BadInput(f"{path}: dataset_path is {name!r}, wanted {', '.join(LOADERS)}, a folder or a name of the hub")
    if unknown := [key for key in given if key not in _KNOWN]:
        raise BadInput(
            f"{path}: dataset_kwargs holds {unknown[0]}, of which nothing is known", hint=f"known: {', '.join(_KNOWN)}"
        )
    named = _named(given.get("data_files"), path)
    if name in LOADERS and not named:
        raise BadInput(f"{path}: dataset_path {name} needs dataset_kwargs.data_files", hint="split: file, one a line")
    if not named:
        folder = _beside(name, path)
        return Files(str(folder) if folder.is_dir() else name.rstrip("/").rpartition("/")[2], {})
    root = Path(given.get("data_dir") or "")
    return _gathered({split: [_beside(str(root / file), path) for file in many] for split, many in named.items()})


def _named(value: Any, path: Path) -> dict[str, list[str]]:
    """Files by split; without a split they are ``train``, as in `datasets`."""
    if value is None:
        return {}
    by_split = value if isinstance(value, dict) else {"train": value}
    out = {str(split): [files] if isinstance(files, str) else files for split, files in by_split.items()}
    for files in out.values():
        if not isinstance(files, list) or not files or not all(isinstance(file, str) for file in files):
            raise BadInput(f"{path}: data_files is {value!r}, wanted files by split")
        if any("://" in file for file in files):
            raise BadInput(
                f"{path}: data_files names an address; nothing is fetched", hint="copy the file beside the task"
            )
    return out


def _beside(name: str, path: Path) -> Path:
    """A path as the task means it."""
    beside = path.resolve().parent / name
    return beside if has_magic(name) or beside.exists() or not Path(name).exists() else Path(name).resolve()


def _gathered(files: dict[str, list[Path]]) -> Files:
    """The folder above all files, and each file's place in it."""
    folder = Path(os.path.commonpath([file.parent for many in files.values() for file in many]))
    return Files(str(folder), {split: tuple(_pattern(file, folder) for file in many) for split, many in files.items()})


def _pattern(file: Path, folder: Path) -> str:
    text = file.relative_to(folder).as_posix()
    return text if has_magic(text) and not file.exists() else escape(text)
