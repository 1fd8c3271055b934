"""Suites whose answer is written and then read: a prompt, a text, and the answer found in it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sibao.core.errors import BadInput
from sibao.core.types import Completion, GenerateOptions, Language, Message, Prompt
from sibao.evaluation.sample import Generation, Judged, Reply, Sample
from sibao.evaluation.suite import RequestSuite, Rows, Setting


@dataclass(frozen=True)
class Exercise:
    """One row: what is asked, the whole worked answer (for examples), and what is accepted.

    ``text`` is the part of ``prompt`` that is the row's own words, which alone a perturbation changes; empty: all of it.
    """

    id: str
    prompt: str
    accepted: tuple[str, ...]
    worked: str = ""
    group: str = ""
    cluster: str = ""
    language: Language = "en"
    data: dict[str, Any] = field(default_factory=dict)
    text: str = ""


class WritingSuite(RequestSuite):
    """A suite of ``Exercise``s; greedy, until ``stop`` or ``max_tokens``."""

    stop: ClassVar[tuple[str, ...]] = ()
    max_tokens: ClassVar[int] = 256
    delimiter: ClassVar[str] = " "
    separator: ClassVar[str] = "\n\n"

    @abstractmethod
    def exercises(self, rows: Rows) -> list[Exercise]:
        """The rows that are scored."""

    @abstractmethod
    def grade(self, exercise: Sample, text: str) -> Judged:
        """What a text is worth. A text without an answer in it is wrong, and ``values["parsed"]`` is 0."""

    def examples(self, rows: Rows, exercise: Exercise, shots: int) -> list[Exercise]:
        """Worked examples: the first ``shots`` of ``rows.shots`` with the exercise's group, in file order."""
        return [e for e in self.exercises(Rows(rows.shots, [], "shots")) if e.group == exercise.group][:shots]

    def head(self, exercise: Exercise) -> str:
        """What stands before the worked examples."""
        return ""

    def samples(self, rows: Rows, setting: Setting) -> list[Sample]:
        """One generation an exercise."""
        if setting.shots and not rows.shots:
            raise BadInput(f"{self.name} has no rows for {setting.shots} worked examples", hint="use --shots 0")
        out, by_group = [], dict[str, list[Exercise]]()
        stop = () if setting.chat else self.stop
        for one in self.exercises(rows):
            if setting.shots and one.group not in by_group:
                by_group[one.group] = self.examples(rows, one, setting.shots)
            options = GenerateOptions(max_tokens=self.max_tokens, stop=stop)
            prompt = self.context(one, by_group.get(one.group, []), setting)
            data = {"accepted": list(one.accepted), "prompt": one.prompt, **one.data}
            asked = (Generation(prompt, options),)
            out.append(Sample(one.id, asked, one.accepted, one.group, one.cluster, one.language, data))
        return out

    def context(self, exercise: Exercise, shots: Sequence[Exercise], setting: Setting) -> Prompt:
        """Head, worked examples, exercise; as text, or as turns with ``chat``."""
        head = self.head(exercise)
        if not setting.chat:
            done = [e.prompt + self.delimiter + e.worked for e in shots]
            return (f"{head}{self.separator}" if head else "") + self.separator.join([*done, exercise.prompt])
        turns: list[Message] = []
        for number, one in enumerate([*shots, exercise]):
            asked = f"{head}\n\n{one.prompt}" if head and not number else one.prompt
            turns.append({"role": "user", "content": asked})
            if one is not exercise:
                turns.append({"role": "assistant", "content": one.worked})
        return turns

    def judge(self, sample: Sample, replies: Sequence[Reply]) -> Judged:
        """What the one reply is worth."""
        (reply,) = replies
        if not isinstance(reply, Completion):
            raise BadInput(f"{self.name} got a likelihood, wanted a text")
        return self.grade(sample, reply.text)
