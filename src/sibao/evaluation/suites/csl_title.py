"""CSL: the title of a Chinese paper from its abstract (Li et al. 2022, arXiv 2209.05034)."""

from __future__ import annotations

from sibao.core.types import Row
from sibao.evaluation.on_tasks import TaskRow, origin
from sibao.evaluation.own_split import SPLIT, clean, own_test
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._summaries import SummarySuite


class CSLTitle(SummarySuite):
    """The development file, of which ``mini`` was trained on a part: by default the part that it has never seen is scored,
    by ``csl_title:all`` every row."""

    name = "csl_title"
    about = {"en": "titles of Chinese papers from their abstracts", "zh": "由论文摘要写出标题"}
    languages = ("zh",)
    license = "Apache-2.0"
    source = "https://github.com/ydli-ai/CSL"
    folder = "csl_title"
    files = ("dev.jsonl*",)
    variants = ("all",)
    caveat = {
        "en": "figures on the own test part do not compare with published ones; those of :all do, for models other than mini",
        "zh": "自有测试部分的分数不可与公开结果比较；:all 可以，但不适用于 mini",
    }

    def read(self, place: Place) -> Rows:
        """Rows of ``source`` (abstract) and ``target`` (title)."""
        rows = list(place.rows(self.files[0]))
        for row in rows:
            field(row, "source")
            field(row, "target")
        if self.variant == "all":
            return Rows(rows, split="dev")
        return Rows(own_test(rows, lambda row: clean(row["source"]).strip()), split=SPLIT.format("dev"))

    def task_rows(self, rows: Rows) -> list[TaskRow]:
        """Ids are the lines of the file."""
        return [TaskRow(str(row.get("_line", number)), _pair(row)) for number, row in enumerate(rows.test)]


def _pair(row: Row) -> Row:
    return {"document": row["source"], "summary": row["target"], **origin(row)}


SUITE = CSLTitle()
