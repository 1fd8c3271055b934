"""MMLU: 57 subjects, four options (Hendrycks et al. 2021, arXiv 2009.03300)."""

from __future__ import annotations

from pathlib import Path

from sibao.core.types import Row
from sibao.evaluation.choice import ChoiceSuite, Question
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._options import columns, ids, index, letter, texts

NAMES = tuple(f"choice{i}" for i in range(4))


class MMLU(ChoiceSuite):
    """The published prompt: a line that names the subject, five worked questions of it, the letter after "Answer:"."""

    name = "mmlu"
    area = "accuracy"
    about = {"en": "57 subjects, four options each", "zh": "57 门学科的四选一题（英文）"}
    license = "MIT"
    source = "https://github.com/hendrycks/test"
    folder = "mmlu"
    files = ("test*", "dev*", "test/*.csv", "dev/*.csv")
    shots = 5

    def read(self, place: Place) -> Rows:
        """The published folders ``test`` and ``dev`` of CSV files without a header (question, four options, letter), one a
        subject; or rows of ``subject``, ``question``, ``choice0`` … ``choice3``, ``answer`` (an index)."""
        if not place.has(self.files[0]):
            return Rows(_published(place, "test"), _published(place, "dev"))
        shots = list(place.rows(self.files[1])) if place.has(self.files[1]) else []
        return Rows(list(place.rows(self.files[0])), shots)

    def questions(self, rows: Rows) -> list[Question]:
        """Ids are files and lines."""
        return [
            Question(
                name,
                field(row, "question").strip(),
                texts(row, NAMES),
                (index(row, "answer", len(NAMES)),),
                group=field(row, "subject"),
            )
            for name, row in zip(ids(rows.test), rows.test, strict=True)
        ]

    def head(self, question: Question) -> str:
        """The published first line."""
        subject = question.group.replace("_", " ")
        return f"The following are multiple choice questions (with answers) about {subject}."


def _published(place: Place, split: str) -> list[Row]:
    """All subjects of a split; the subject is in the name of the file (``abstract_algebra_test.csv``)."""
    found = []
    for path in place.matching(f"{split}/*.csv"):
        for row in columns(path, ("question", *NAMES, "letter")):
            right = letter(row, "letter", len(NAMES))
            found.append({**row, "subject": subject(path, split), "answer": right})
    return found


def subject(path: Path, split: str) -> str:
    """``law`` of ``law_test.csv`` and of ``law.csv``."""
    return path.stem.removesuffix(f"_{split}")


SUITE = MMLU()
