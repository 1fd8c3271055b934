"""XQuAD: the same questions in English and Chinese (Artetxe et al. 2020, arXiv 1910.11856)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sibao.core.types import Row
from sibao.evaluation.on_tasks import TaskRow
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._reading import ReadingSuite


class XQuAD(ReadingSuite):
    """The Chinese file is a translation of the English one; the group is the language."""

    name = "xquad"
    about = {"en": "the same questions in English and Chinese", "zh": "同一批问题的英文版与中文版"}
    languages = ("en", "zh")
    license = "CC BY-SA 4.0"
    source = "https://github.com/google-deepmind/xquad"
    folder = "xquad"
    files = ("xquad.[ez][nh].json*",)
    split = "test"

    def task_rows(self, rows: Rows) -> list[TaskRow]:
        """Ids are the language and the published id, which both files share."""
        return [replace(one, id=f"{one.group}.{one.id}") for one in super().task_rows(rows)]

    def group(self, row: Row) -> str:
        """The language, from the file's name."""
        return Path(str(row["_file"])).name.split(".")[1]


SUITE = XQuAD()
