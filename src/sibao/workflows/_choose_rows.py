"""What a choice is made on: the user's rows, the task they are about, and the language of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sibao.choosing.need import Need, NeedTask, classify
from sibao.core.config import settings
from sibao.core.types import Language, Row
from sibao.tasks.base import load_task
from sibao.text.language import detect
from sibao.workflows.evaluate import read_data

Numbered = list[tuple[str, int, Row]]
"""(file, line, row)."""
LOOKED_AT = 20
"""Rows whose fields tell the task."""


def read_rows(data: Sequence[str], rows: Sequence[Row], limit: int | None) -> Numbered:
    """The rows of files, or those given; none where there are neither.

    Raises:
        DataError: a row that cannot be read.
    """
    if rows:
        return [("", number, row) for number, row in enumerate(list(rows)[:limit], start=1)]
    return read_data(list(data), limit) if data else []


def need_of(text: str, task: str | None, rows: Numbered) -> Need:
    """The task: the one that was named, else what rows and words tell.

    Raises:
        UnknownName: no such task.
    """
    told = classify(text, [row for _, _, row in rows[:LOOKED_AT]])
    if task is None:
        return told
    return Need(cast(NeedTask, load_task(task).name), "named", 1.0, told.to)


def language_of(need: str, wanted: Sequence[str]) -> Language:
    """The user's language, else that of the need, else the one language that the models must know, else English."""
    chosen = settings().language
    if chosen in ("zh", "en"):
        return cast(Language, chosen)
    if need:
        return detect(need)
    return cast(Language, wanted[0]) if len(wanted) == 1 else "en"
