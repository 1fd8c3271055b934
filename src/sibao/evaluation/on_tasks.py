"""Suites that are one of Sibao's own tasks over published rows: the prompt, the splitting of long documents, the parsing and
the metrics are the task's, so what is measured is what a user gets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from sibao.core.types import Language, Row
from sibao.evaluation.suite import Rows, Suite


@dataclass(frozen=True)
class TaskRow:
    """A row that the task reads, with the options of its ``read`` (``to``, say). ``language``: whose rules its answer is scored
    by, where the suite knows; empty: the harness looks at the answers wanted."""

    id: str
    row: Row
    options: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""
    cluster: str = ""
    language: Language | Literal[""] = ""


class TaskSuite(Suite):
    """``task`` names the task; ``metrics`` those reported (empty: the task's own), the first of them the headline."""

    task: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def task_rows(self, rows: Rows) -> list[TaskRow]:
        """The rows that are scored, in order."""


def origin(row: Row) -> Row:
    """The file and line that a row came from, for the row that is made of it: errors then say where."""
    return {key: value for key, value in row.items() if key in ("_file", "_line")}
