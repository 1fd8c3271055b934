"""A user's own multiple-choice rows, asked as MMLU asks its own: options with letters, the likelihood of each letter."""

from __future__ import annotations

from sibao.evaluation.choice import ChoiceSuite, Question
from sibao.evaluation.places import Place
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites import _own_rows


class MMLUForm(ChoiceSuite):
    """Rows as ``choices`` reads them; the prompt is MMLU's, for Chinese questions CMMLU's.

    ``--shots K`` puts the first K rows of ``shots.*`` with the same ``subject`` before each question.
    """

    name = "mmlu_form"
    area = "accuracy"
    about = {"en": "your own multiple-choice rows, asked as MMLU asks", "zh": "自有选择题，按 MMLU 的方式提问"}
    languages = ("en", "zh")
    license = "the rows' own"
    source = "--path FILE"
    folder = "mmlu_form"
    files = _own_rows.FILES

    def read(self, place: Place) -> Rows:
        """The rows of the file that was named, else of ``questions.*``; worked examples in ``shots.*`` beside it."""
        return _own_rows.read(place)

    def questions(self, rows: Rows) -> list[Question]:
        """Each row's language is told by its question."""
        return _own_rows.questions(rows.test)

    def head(self, question: Question) -> str:
        """The first line, with the subject where the row names one."""
        subject = question.group.replace("_", " ")
        if question.language == "zh":
            return f"以下是{f'关于{subject}的' if subject else ''}单项选择题，请直接给出正确答案的选项。"
        return f"The following are multiple choice questions (with answers){f' about {subject}' if subject else ''}."


SUITE = MMLUForm()
