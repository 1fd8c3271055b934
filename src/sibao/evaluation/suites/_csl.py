"""CSL: what a Chinese paper is about (Li et al. 2022, arXiv 2209.05034), as a choice among all classes."""

from __future__ import annotations

from typing import ClassVar

from sibao.core.types import Row
from sibao.evaluation.choice import ChoiceSuite, Question
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._options import ids, refuse
from sibao.evaluation.suites._table import table


class CSLSuite(ChoiceSuite):
    """All classes stand in the first line; the likelihood of each class's name is compared.

    Names differ in length: ``--explain-score`` shows what each convention makes of that. Figures by class are its recall.
    """

    area = "accuracy"
    languages = ("zh",)
    license = "Apache-2.0"
    source = "https://github.com/ydli-ai/CSL"
    lettered = False
    delimiter = ""
    what: ClassVar[str]
    given: ClassVar[str]
    asked: ClassVar[str]

    @property
    def classes(self) -> list[str]:
        """The names of all classes, in the order of their code points."""
        found: list[str] = table("csl")[self.folder.removeprefix("csl_")]
        return found

    def read(self, place: Place) -> Rows:
        """Rows of ``source`` and ``target``; worked examples from the training file where it is there."""
        shots = list(place.rows(self.files[1])) if place.has(self.files[1]) else []
        return Rows(list(place.rows(self.files[0])), shots, split="dev")

    def questions(self, rows: Rows) -> list[Question]:
        """Ids are files and lines; the group is the right class."""
        return [self._question(row, name) for row, name in zip(rows.test, ids(rows.test), strict=True)]

    def _question(self, row: Row, name: str) -> Question:
        text, right = field(row, "source").strip(), field(row, "target")
        if not text:
            refuse(row, "source", f"is empty, wanted {self.given}")
        if right not in self.classes:
            refuse(row, "target", f"got {right!r}, wanted one of the {len(self.classes)} classes")
        return Question(name, text, tuple(self.classes), (self.classes.index(right),), group=right, language="zh")

    def examples(self, rows: Rows, question: Question, shots: int) -> list[Question]:
        """The first row of each class in file order, as many as asked for: no class is shown twice, and which are shown does
        not depend on the answer."""
        first: dict[str, Row] = {}
        for row in rows.shots:
            first.setdefault(field(row, "target"), row)
        return self.questions(Rows(list(first.values())[:shots], [], "shots"))

    def head(self, question: Question) -> str:
        """What is asked, and all classes."""
        return f"以下是中文论文的{self.given}，请从这些{self.what}中选出它所属的一个：{'；'.join(self.classes)}。"

    def prompt(self, question: Question) -> str:
        """The text, and the word that the class follows."""
        return f"{self.given}：{question.text}\n{self.asked}："
