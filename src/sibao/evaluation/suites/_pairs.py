"""Suites of sentence or paragraph pairs, ``{"en", "zh"}`` a row, translated both ways."""

from __future__ import annotations

from typing import ClassVar

from sibao.core.types import Language
from sibao.evaluation.on_tasks import TaskRow, TaskSuite
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.text.language import other

TO: tuple[Language, ...] = ("zh", "en")


class PairSuite(TaskSuite):
    """Each row is two tasks: en→zh and zh→en, scored apart."""

    area = "translation"
    task = "translate"
    metrics = ("chrf", "bleu")
    headline = "chrf"
    languages: ClassVar[tuple[Language, ...]] = ("en", "zh")
    files = ("test.jsonl*",)

    def read(self, place: Place) -> Rows:
        """The test file."""
        rows = list(place.rows(self.files[0]))
        for row in rows:
            field(row, "en")
            field(row, "zh")
        return Rows(rows)

    def task_rows(self, rows: Rows) -> list[TaskRow]:
        """Ids are the direction and the row's number from 0."""
        return [
            TaskRow(f"{direction}.{number}", row, {"to": to}, group=direction)
            for to in TO
            for direction in (f"{other(to)}-{to}",)
            for number, row in enumerate(rows.test)
        ]
