"""WMT22 general translation, Chinese and English, two references each (Kocmi et al. 2022, WMT22 findings)."""

from __future__ import annotations

from typing import ClassVar

from sibao.core.errors import DataError
from sibao.core.types import Language, Row
from sibao.evaluation.on_tasks import TaskRow, TaskSuite, origin
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.text.language import other

TO: dict[str, Language] = {"en-zh": "zh", "zh-en": "en"}


class WMT22(TaskSuite):
    """News, social, conversation and e-commerce, by sentence. Scored against both references at once (``nrefs:2``)."""

    name = "wmt22"
    area = "translation"
    about = {"en": "WMT22 general test, both ways, two references", "zh": "WMT22 通用翻译测试，双向，两份参考译文"}
    languages: ClassVar[tuple[Language, ...]] = ("en", "zh")
    license = "released by WMT for research"
    source = "https://github.com/wmt-conference/wmt22-news-systems"
    folder = "wmt22"
    files = ("test.*.jsonl*",)
    task = "translate"
    metrics = ("chrf", "bleu")
    headline = "chrf"
    caveat = {
        "en": "published systems are scored against one reference at a time; two raise BLEU",
        "zh": "公开结果按单份参考译文计分；两份参考会使 BLEU 偏高",
    }

    def read(self, place: Place) -> Rows:
        """Rows of ``id``, ``direction``, ``source``, ``reference_a``, and ``reference_b`` where there is one."""
        rows = list(place.rows(self.files[0]))
        for row in rows:
            field(row, "source")
            field(row, "reference_a")
        return Rows(rows)

    def task_rows(self, rows: Rows) -> list[TaskRow]:
        """Published ids; the group is the direction."""
        return [_task_row(row) for row in rows.test]


def _task_row(row: Row) -> TaskRow:
    direction = field(row, "direction")
    if direction not in TO:
        raise DataError(
            f"got {direction!r}, wanted {' or '.join(TO)}", file=str(row.get("_file", "")),
            line=int(row.get("_line", 0)), field="direction",
        )  # fmt: skip
    to = TO[direction]
    references = [str(row[name]) for name in ("reference_a", "reference_b") if row.get(name)]
    pair = {other(to): row["source"], to: references, **origin(row)}
    return TaskRow(field(row, "id"), pair, {"to": to}, group=direction)


SUITE = WMT22()
