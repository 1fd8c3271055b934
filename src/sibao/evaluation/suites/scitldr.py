"""SciTLDR: one sentence for a paper, from its abstract (Cachola et al. 2020, arXiv 2004.15011)."""

from __future__ import annotations

from sibao.core.types import Row
from sibao.evaluation.on_tasks import TaskRow, origin
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._summaries import SummarySuite


class SciTLDR(SummarySuite):
    """Several references a paper, one by an author, others by reviewers' summaries rewritten; the best one counts."""

    name = "scitldr"
    about = {"en": "one sentence for a paper, from its abstract", "zh": "由摘要写出一句话概括（英文）"}
    license = "Apache-2.0"
    source = "https://github.com/allenai/scitldr"
    folder = "scitldr"
    files = ("[td]e[sv]*.jsonl*",)

    def read(self, place: Place) -> Rows:
        """The test file, else the development file: rows of ``source`` (sentences), ``target`` (summaries)."""
        split = "test" if place.has("test*.jsonl*") else "dev"
        rows = list(place.rows(f"{split}*.jsonl*"))
        for row in rows:
            field(row, "source", list)
            field(row, "target", list)
        return Rows(rows, split=split)

    def task_rows(self, rows: Rows) -> list[TaskRow]:
        """Published ids where there are any."""
        return [TaskRow(str(row.get("paper_id", number)), _pair(row)) for number, row in enumerate(rows.test)]


def _pair(row: Row) -> Row:
    return {"document": " ".join(row["source"]), "summary": row["target"], **origin(row)}


SUITE = SciTLDR()
