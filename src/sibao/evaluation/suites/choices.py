"""A user's own multiple-choice rows, answered by the likelihood of each option's text."""

from __future__ import annotations

from sibao.evaluation.choice import ChoiceSuite, Question
from sibao.evaluation.places import Place
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites import _own_rows


class Choices(ChoiceSuite):
    """The options are not shown; what is compared is how likely each is as the answer. ``mmlu_form`` shows them with letters.

    Rows (jsonl, json, csv, tsv, parquet) hold ``question``, options as a list ``choices`` or in columns ``choice0`` … or
    ``A`` …, and ``answer``: an index from 0, a letter or a text. ``subject``, ``passage``, ``id`` and ``cluster`` may be there.
    """

    name = "choices"
    area = "accuracy"
    about = {"en": "your own multiple-choice rows, by the options' text", "zh": "自有选择题，按选项文本的似然作答"}
    languages = ("en", "zh")
    license = "the rows' own"
    source = "--path FILE"
    folder = "choices"
    files = _own_rows.FILES
    lettered = False

    def read(self, place: Place) -> Rows:
        """The rows of the file that was named, else of ``questions.*``; worked examples in ``shots.*`` beside it."""
        return _own_rows.read(place)

    def questions(self, rows: Rows) -> list[Question]:
        """Each row's language is told by its question."""
        return _own_rows.questions(rows.test)

    def prompt(self, question: Question) -> str:
        """``Question: …`` and ``Answer:``, or 问题 and 答案."""
        word = {"en": "Question: ", "zh": "问题："}[question.language]
        lines = [question.passage] if question.passage else []
        return "\n".join([*lines, word + question.text, self.answer_word[question.language]])


SUITE = Choices()
