"""Suites of Chinese exam questions in CSV files, one a subject: C-Eval and CMMLU."""

from __future__ import annotations

from typing import ClassVar

from sibao.core.types import Row
from sibao.evaluation.choice import ChoiceSuite, Question
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._options import columns, letter, texts
from sibao.evaluation.suites._table import table


class ChineseExams(ChoiceSuite):
    """Options A to D, the letter after 答案：, five worked questions of the subject's ``dev`` file.

    A space stands between the colon and the letter, as in lm-evaluation-harness; ``line`` is what stands before all.
    """

    area = "accuracy"
    languages = ("zh",)
    license = "CC BY-NC-SA 4.0"
    shots = 5
    ran_on_real_data = False
    caveat = {
        "en": "tried on rows of our own in the published form only",
        "zh": "仅用自拟的同格式样例试过，未在真实数据上运行",
    }
    question: ClassVar[str] = "question"
    answer: ClassVar[str] = "answer"
    split: ClassVar[str] = "test"
    line: ClassVar[str]

    def read(self, place: Place) -> Rows:
        """The scored split and ``dev``; the subject is in the name of the file."""
        return Rows(self._rows(place, self.files[0]), self._rows(place, self.files[1]), split=self.split)

    def _rows(self, place: Place, pattern: str) -> list[Row]:
        found = []
        for path in place.matching(pattern):
            subject = path.stem.removesuffix("_dev").removesuffix(f"_{self.split}")
            found += [{**row, "_subject": subject, "_number": n} for n, row in enumerate(columns(path))]
        return found

    def questions(self, rows: Rows) -> list[Question]:
        """Ids are ``subject.number``, counted from 0 in the file."""
        return [
            Question(
                f"{row['_subject']}.{row['_number']}",
                field(row, self.question).strip(),
                texts(row, "ABCD"),
                (letter(row, self.answer, 4),),
                group=row["_subject"],
                language="zh",
            )
            for row in rows.test
        ]

    def head(self, question: Question) -> str:
        """The first line, with the subject's Chinese name."""
        return self.line.format(table(self.name).get(question.group, question.group.replace("_", " ")))
