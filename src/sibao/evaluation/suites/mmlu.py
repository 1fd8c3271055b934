"""MMLU: 57 subjects, four options (Hendrycks et al. 2021, arXiv 2009.03300)."""

from __future__ import annotations

from sibao.evaluation.choice import ChoiceSuite, Question
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows


class MMLU(ChoiceSuite):
    """The published prompt: a line that names the subject, five worked questions of it, the letter after "Answer:"."""

    name = "mmlu"
    area = "accuracy"
    about = {"en": "57 subjects, four options each", "zh": "57 门学科的四选一题"}
    license = "MIT"
    source = "https://github.com/hendrycks/test"
    folder = "mmlu"
    files = ("test.jsonl*", "dev.jsonl*")
    shots = 5

    def read(self, place: Place) -> Rows:
        """Rows of ``subject``, ``question``, ``choice0`` … ``choice3``, ``answer`` (an index)."""
        return Rows(
            list(place.rows(self.files[0])), list(place.rows(self.files[1])) if place.has(self.files[1]) else []
        )

    def questions(self, rows: Rows) -> list[Question]:
        """Ids count from 0 in the file."""
        return [
            Question(
                str(number),
                field(row, "question"),
                tuple(str(row[f"choice{i}"]) for i in range(4)),
                (int(field(row, "answer", (int, str))),),
                group=field(row, "subject"),
            )
            for number, row in enumerate(rows.test)
        ]

    def head(self, question: Question) -> str:
        """The published first line."""
        subject = question.group.replace("_", " ")
        return f"The following are multiple choice questions (with answers) about {subject}."


SUITE = MMLU()
