"""Suites of questions with choices, answered by likelihood: the choice whose text the model finds most likely.

What is scored is ``prompt + delimiter + choice``; the conventions by which one set of log-likelihoods becomes an answer
stand in ``evaluation.conventions``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sibao.core.errors import BadInput
from sibao.core.types import Language, Message, Prompt
from sibao.core.types import Scored as Likelihood
from sibao.evaluation.conventions import CONVENTIONS, right
from sibao.evaluation.sample import Judged, Loglikelihood, Outcome, Reply, Sample
from sibao.evaluation.suite import RequestSuite, Rows, Setting

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Question:
    """One question as published. ``gold`` holds the indices of every right option. ``passage`` stands before it."""

    id: str
    text: str
    options: tuple[str, ...]
    gold: tuple[int, ...]
    group: str = ""
    cluster: str = ""
    language: Language = "en"
    passage: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class ChoiceSuite(RequestSuite):
    """A suite of ``Question``s. A subclass says how rows become questions and how a question is put.

    ``lettered``: the options are listed in the prompt and the choices scored are their letters; else the choices are the
    options themselves. ``delimiter`` stands between prompt and choice and is no part of the choice's length.
    """

    lettered: ClassVar[bool] = True
    delimiter: ClassVar[str] = " "
    separator: ClassVar[str] = "\n\n"
    answer_word: ClassVar[dict[Language, str]] = {"en": "Answer:", "zh": "答案："}

    @abstractmethod
    def questions(self, rows: Rows) -> list[Question]:
        """The rows that are scored, as questions."""

    def examples(self, rows: Rows, question: Question, shots: int) -> list[Question]:
        """Worked examples for a question: the first ``shots`` of ``rows.shots`` with its group, in file order."""
        found = [q for q in self.questions(Rows(rows.shots, [], "shots")) if q.group == question.group]
        return found[:shots]

    def head(self, question: Question) -> str:
        """What stands before the worked examples ("The following are ..."); nothing unless a suite says so."""
        return ""

    def prompt(self, question: Question) -> str:
        """A question as it is put, up to where the answer begins; no space at its end."""
        lines = [question.passage, question.text] if question.passage else [question.text]
        if self.lettered:
            lines += [f"{letter}. {option}" for letter, option in zip(LETTERS, question.options, strict=False)]
        return "\n".join([*lines, self.answer_word[question.language]])

    def choices(self, question: Question) -> list[str]:
        """The texts that are scored, in the order of the options."""
        return list(LETTERS[: len(question.options)]) if self.lettered else list(question.options)

    def samples(self, rows: Rows, setting: Setting) -> list[Sample]:
        """One sample a question: its choices' likelihoods, and with ``pmi`` those without the question."""
        questions = self.questions(rows)
        if setting.shots and not rows.shots:
            raise BadInput(f"{self.name} has no rows for {setting.shots} worked examples", hint="use --shots 0")
        by_group: dict[str, list[Question]] = {}
        out = []
        for question in questions:
            if setting.shots and question.group not in by_group:
                by_group[question.group] = self.examples(rows, question, setting.shots)
            out.append(self.sample(question, by_group.get(question.group, []), setting))
        return out

    def sample(self, question: Question, shots: Sequence[Question], setting: Setting) -> Sample:
        """A question with its worked examples before it."""
        choices = self.choices(question)
        context = self.context(question, shots, setting)
        delimiter = "" if setting.chat else self.delimiter
        requests = [Loglikelihood(context, delimiter + choice) for choice in choices]
        if setting.pmi:
            requests += [Loglikelihood("", delimiter + choice) for choice in choices]
        data = {"choices": choices, "options": list(question.options), **question.data}
        return Sample(
            question.id, tuple(requests), question.gold, question.group, question.cluster, question.language, data
        )

    def context(self, question: Question, shots: Sequence[Question], setting: Setting) -> Prompt:
        """What stands before the choice: head, worked examples, question; as text, or as turns with ``chat``."""
        head = self.head(question)
        if not setting.chat:
            done = [self.prompt(q) + self.delimiter + self.choices(q)[q.gold[0]] for q in shots]
            return (f"{head}{self.separator}" if head else "") + self.separator.join([*done, self.prompt(question)])
        turns: list[Message] = []
        for number, one in enumerate([*shots, question]):
            asked = self.prompt(one)
            turns.append({"role": "user", "content": f"{head}\n\n{asked}" if head and not number else asked})
            if one is not question:
                turns.append({"role": "assistant", "content": self.choices(one)[one.gold[0]]})
        return turns

    def judge(self, sample: Sample, replies: Sequence[Reply]) -> Judged:
        """Right or wrong by every convention that the replies allow; the prediction is that of ``acc``."""
        choices: list[str] = sample.data["choices"]
        found = [reply for reply in replies if isinstance(reply, Likelihood)]
        given, alone = found[: len(choices)], found[len(choices) :]
        values = {name: float(value) for name, value in right(choices, given, alone, sample.target).items()}
        best = max(range(len(choices)), key=lambda i: given[i].loglikelihood)
        return Judged(values, choices[best], tuple(choices[i] for i in sample.target))

    def chance(self, name: str, outcomes: Sequence[Outcome]) -> float | None:
        """The mean over questions of right options / options."""
        if name not in CONVENTIONS:
            return None
        rates = [len(o.sample.target) / len(o.sample.data["choices"]) for o in outcomes]
        return sum(rates) / len(rates) if rates else None
