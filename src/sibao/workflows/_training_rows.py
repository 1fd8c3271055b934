"""Rows of data files on their way to training, one at a time: which files, which of their rows, which are held out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from sibao.core.errors import BadInput, DataError
from sibao.core.progress import progress
from sibao.core.types import Row
from sibao.text.readers import expand, read_numbered
from sibao.training.recipe import DataFile, DataSection, Recipe

Numbered = tuple[str, int, Row, str | None]
"""File, line, row, and the task that the recipe names for the file."""
Made = TypeVar("Made")


@dataclass(frozen=True)
class TrainingRows:
    """The rows of some files, in order. ``every``: each so-many-th row is held out (0: none); ``held_out`` chooses those.

    Raises:
        DataError: a row that cannot be read. BadInput: rows cannot be drawn from standard input.
    """

    files: list[DataFile]
    seed: int
    every: int = 0
    held_out: bool = False

    def __iter__(self) -> Iterator[Numbered]:
        number = 0
        for file in self.files:
            for where, line, row in self._chosen(file):
                number += 1
                if bool(self.every and number % self.every == 0) is self.held_out:
                    yield where, line, row, file.task

    def _chosen(self, file: DataFile) -> Iterator[tuple[str, int, Row]]:
        """The rows of a file, or as many as are wanted of them, drawn with the run's seed and kept in order."""
        rows = ((str(path), line, row) for path in expand([file.path]) for line, row in read_numbered(path))
        if file.rows is None:
            yield from rows
            return
        if file.path == "-":
            raise BadInput("rows cannot be drawn from standard input: it is read once", hint="save it in a file")
        count = sum(1 for _ in rows)
        picked = np.arange(count)
        if file.rows < count:
            picked = np.random.default_rng(self.seed).choice(count, file.rows, replace=False)
        wanted = set(picked.tolist())
        again = ((str(path), line, row) for path in expand([file.path]) for line, row in read_numbered(path))
        yield from (numbered for i, numbered in enumerate(again) if i in wanted)

    def made(self, make: Callable[[Row, str | None], Iterator[Made]], *, quiet: bool = False) -> Iterator[Made]:
        """What ``make`` makes of each row; its errors say where the row stands."""
        with progress(None, "render", unit="row", quiet=quiet) as bar:
            for where, line, row, task in self:
                with placed(where, line):
                    yield from make(row, task)
                bar.advance()


@contextmanager
def placed(where: str, line: int) -> Iterator[None]:
    """Errors in the block say which row of which file they are about."""
    try:
        yield
    except BadInput as error:
        if isinstance(error, DataError) and error.file:
            raise
        field = error.field if isinstance(error, DataError) else ""
        message = error.message.removeprefix(str(DataError("", field=field)) if field else "")
        raise DataError(message, file=where, line=line, field=field, hint=error.hint) from None


def splits(recipe: Recipe, *, quiet: bool = False) -> dict[str, TrainingRows]:
    """The rows to train on and, where there are any, the rows to validate on: those of ``data.valid``, else every n-th
    row of the training files (``data.valid_fraction``)."""
    data, seed = recipe.data, recipe.run.seed
    train = TrainingRows(_files(data, data.train), seed)
    if data.valid:
        return {"train": train, "valid": TrainingRows(_files(data, data.valid), seed)}
    if not data.valid_fraction or any(file.path == "-" for file in train.files):
        return {"train": train}
    train = replace(train, every=round(1 / data.valid_fraction))
    valid = replace(train, held_out=True)
    if next(iter(valid), None) is not None:
        return {"train": train, "valid": valid}
    if not quiet:
        print(f"no validation: the data hold fewer than {train.every} rows (data.valid_fraction)", file=sys.stderr)
    return {"train": train}


def _files(data: DataSection, which: list[str | DataFile]) -> list[DataFile]:
    return [DataFile(path=f, task=data.task, rows=None) if isinstance(f, str) else f for f in which]
