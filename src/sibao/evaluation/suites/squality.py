"""SQuALITY: summaries of short stories, four for each (Wang et al. 2022, arXiv 2205.11465)."""

from __future__ import annotations

from sibao.core.errors import DataError
from sibao.core.types import Row
from sibao.evaluation.on_tasks import TaskRow, origin
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._summaries import SummarySuite


class SQuALITY(SummarySuite):
    """The question about the whole plot only: the task shortens a text and is asked nothing else. Stories have 20 to 40
    thousand characters, so most models read them in parts."""

    name = "squality"
    about = {"en": "plots of short stories, four references each", "zh": "短篇小说情节概括，每篇四份参考（英文）"}
    license = "CC BY 4.0 (stories: Project Gutenberg terms)"
    source = "https://github.com/nyu-mll/SQuALITY"
    folder = "squality_v1.3"
    files = ("test*.jsonl*",)
    caveat = {
        "en": "only the question about the plot; the four questions about details are not asked",
        "zh": "只取“情节”一问，其余四个细节问题不问",
    }

    def read(self, place: Place) -> Rows:
        """Rows of ``document`` and ``questions``, the first of which asks for the plot."""
        rows = list(place.rows(self.files[0]))
        for row in rows:
            field(row, "document")
            field(row, "questions", list)
        return Rows(rows)

    def task_rows(self, rows: Rows) -> list[TaskRow]:
        """Ids are the published passages'."""
        return [
            TaskRow(str(row.get("metadata", {}).get("passage_id", number)), _pair(row))
            for number, row in enumerate(rows.test)
        ]


def _pair(row: Row) -> Row:
    try:
        first = min(row["questions"], key=lambda question: question["question_number"])
        plots = [response["response_text"] for response in first["responses"]]
    except (KeyError, TypeError, ValueError):
        raise DataError(
            "wanted questions of question_number and responses of response_text", file=str(row.get("_file", "")),
            line=int(row.get("_line", 0)), field="questions",
        ) from None  # fmt: skip
    return {"document": row["document"], "summary": plots, **origin(row)}


SUITE = SQuALITY()
