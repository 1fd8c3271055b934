"""Suites of questions on passages in SQuAD JSON; answers are taken from the passage."""

from __future__ import annotations

import hashlib

from sibao.core.types import Row
from sibao.evaluation.on_tasks import TaskRow, TaskSuite
from sibao.evaluation.own_split import clean
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.text.language import detect


class ReadingSuite(TaskSuite):
    """F1 and exact match by the rules of the passage's language; questions on one passage are one cluster."""

    version = "2"
    area = "qa"
    task = "answer"
    metrics = ("f1", "exact_match")
    headline = "f1"
    files = ("dev*.json*",)
    split = "dev"

    def read(self, place: Place) -> Rows:
        """One row a question: ``id, title, context, question, answers{text, answer_start}``."""
        return Rows(questions(place, self.files[0]), split=self.split)

    def task_rows(self, rows: Rows) -> list[TaskRow]:
        """Published ids; the group is ``group`` of the row."""
        return [
            TaskRow(
                field(row, "id"), row, group=self.group(row), cluster=passage(row["context"]),
                language=detect(row["context"]),
            )
            for row in rows.test
        ]  # fmt: skip

    def group(self, row: Row) -> str:
        """What a row is reported under besides the whole; nothing unless a suite says so."""
        return ""


def questions(place: Place, pattern: str) -> list[Row]:
    """All questions of the files, each with a passage and answers.

    Raises:
        DataError: a question without them.
    """
    rows = list(place.rows(pattern))
    for row in rows:
        field(row, "context")
        field(row, "question")
        field(row, "answers", dict)
    return rows


def passage(context: str) -> str:
    """A short name of a passage."""
    return hashlib.sha256(context.encode()).hexdigest()[:12]


def document(row: Row) -> str:
    """How the data recipe of ``mini`` names an article: by its title, or where that is empty by its id, which is the first
    part of its questions' (``DEV_1`` of ``DEV_1_QUERY_0``)."""
    return clean(row["title"] or row["id"].partition("_QUERY_")[0])
