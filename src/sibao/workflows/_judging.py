"""A judge in an evaluation: another model reads each answer by a rubric, two models' answers in both orders, and labelled answers
say how far it is to be believed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sibao.core.errors import BadInput, DataError
from sibao.core.types import Language, Score
from sibao.evaluation import harness, judge_pairs
from sibao.evaluation.clusters import compare_clustered
from sibao.evaluation.judge import Answer, Judge, Judgement, JudgeSetting, against_labels, summary
from sibao.evaluation.rubric import Rubric, load_rubric
from sibao.evaluation.statistics import Comparison
from sibao.tasks.base import Task, load_task, task_names
from sibao.text.readers import expand, read_numbered
from sibao.workflows._models import Opened, Opening, open_model

RUBRICS = {"summarize": "faithfulness"}
"""The rubric of a task where nobody names one; else ``helpfulness``."""
SOURCE: dict[Language, str] = {"en": "[the source below]", "zh": "〔见下方原文〕"}
"""Stands in the prompt for the document, which the judge reads once."""
PREFIX = "judge_"


@dataclass(frozen=True)
class JudgeAsk:
    """How answers are judged.

    ``model``: the judge. ``rubric``: a name or a file; empty: the task's (``RUBRICS``). ``language`` of the judge's prompt; None:
    that of most answers. ``repeats``: the first greedy, the others drawn. ``labels``: files of answers that people labelled.
    """

    model: str
    rubric: str = ""
    language: Language | None = None
    repeats: int = 1
    labels: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Bench:
    """A judge that is ready: everything that can be refused has been."""

    ask: JudgeAsk
    task: Task[Any]
    rubric: Rubric
    opened: Opened
    labelled: tuple[tuple[Answer, bool], ...] = ()

    def close(self) -> None:
        """End what computes for the judge."""
        self.opened.close()

    def judge(self, answers: Sequence[harness.Answered]) -> Judge:
        """The judge of these answers, asked in their language."""
        common = Counter(a.item.language for a in answers).most_common(1)[0][0]
        known = self.rubric.languages
        own: Language = next((one for one in known if one == common), known[0])
        setting = JudgeSetting(self.ask.language or own, self.ask.repeats, self.ask.seed)
        return Judge(self.opened.model, self.rubric, setting)

    def verdicts(self, answers: Sequence[harness.Answered]) -> harness.Scored:
        """``judge_score``, ``judge_pass_rate`` and ``judge_spread`` of a model's answers, with each row's score; with labelled
        answers also how far the judge agrees with people, and the rate of passing without its mistakes."""
        there = [a for a in answers if a.result is not None]
        judge = self.judge(answers)
        found = judge.score([_answer(self.task, a, judge.setting.language) for a in there])
        scores = summary(judge, found) + self._against_labels(judge, found)
        unanswered = len(answers) - len(there)
        named = [self._named(s, 0 if s.name in _OF_LABELS else unanswered) for s in scores]
        return _scored(named, there, found)

    def _against_labels(self, judge: Judge, found: Sequence[Judgement]) -> list[Score]:
        """A judge that cannot be corrected for is no reason to lose its verdicts: the rate is then no number, and says why."""
        if not self.labelled:
            return []
        answers, labels = [a for a, _ in self.labelled], [label for _, label in self.labelled]
        try:
            return against_labels(judge, answers, labels, found)
        except BadInput as error:
            why = Score("corrected_rate", math.nan, signature=f"{judge.signature}|{error.message}")
        with suppress(BadInput):  # no verdict on any labelled answer
            return [*against_labels(judge, answers, labels), why]
        return [why]

    def preferences(self, first: Sequence[harness.Answered], second: Sequence[harness.Answered]) -> list[Score]:
        """Shares of rows that the first model's answer wins, loses or ties, each pair put in both orders; and how often the same
        place won twice."""
        judge = self.judge(first)
        both = [(a, b) for a, b in zip(first, second, strict=True) if a.result is not None and b.result is not None]
        pairs = [judge_pairs.Pair(_material(self.task, a, judge.setting.language), _text(a), _text(b)) for a, b in both]
        names = {"wins_a": "wins", "wins_b": "losses"}
        return [
            self._named(replace(s, name=names.get(s.name, s.name)), len(first) - len(both))
            for s in judge_pairs.summary(judge, judge_pairs.prefer(judge, pairs))
        ]

    def _named(self, score: Score, missing: int) -> Score:
        signature = f"task:{self.task.name}.v{self.task.version}|{score.signature}"
        return replace(score, name=PREFIX + score.name, missing=score.missing + missing, signature=signature)


_OF_LABELS = ("agreement", "kappa", "sensitivity", "specificity")


def open_bench(ask: JudgeAsk, task: str, how: Opening | None = None) -> Bench:
    """A judge for a task's answers; ``how`` says whether its own are kept, and what it may cost.

    Raises:
        UnknownName, DataError: a rubric; a labelled row, by file, line and field. BadInput: a rubric that lacks the language;
            labels of one kind only; a judge that writes nothing. ModelError, ProviderError: see ``providers.load``.
    """
    if task not in task_names():  # perplexity
        raise BadInput(f"{task} writes no answers that could be judged", hint="leave out --judge")
    rubric = load_rubric(ask.rubric or RUBRICS.get(task, "helpfulness"))
    if ask.language is not None and ask.language not in rubric.languages:
        raise BadInput(f"rubric {rubric.name} has no text in {ask.language}, it has {', '.join(rubric.languages)}")
    labelled = tuple(_labelled(ask.labels)) if ask.labels else ()
    opened = open_model(ask.model, replace(how or Opening(), precision="auto", price=None, workers=None, ray=None))
    if not hasattr(opened.model, "generate"):
        raise BadInput(f"{ask.model} writes nothing, so it cannot judge", hint="take a model that follows instructions")
    return Bench(ask, load_task(task), rubric, opened, labelled)


def compare_verdicts(first: harness.Scored, second: harness.Scored) -> dict[str, Comparison]:
    """A paired test of the judge's scores, and of passing, on the rows with a verdict for both (first minus second)."""
    found = {}
    for name, values in first.rows.items():
        mine = {a.item.row: (a.item, value) for a, value in zip(first.answers, values, strict=True)}
        theirs = {a.item.row: value for a, value in zip(second.answers, second.rows[name], strict=True)}
        both = [row for row in mine if row in theirs]
        if len(both) > 1:
            clusters = [mine[row][0].cluster for row in both]
            found[name] = compare_clustered([mine[row][1] for row in both], [theirs[row] for row in both], clusters)
    return found


def _labelled(files: Sequence[str]) -> list[tuple[Answer, bool]]:
    found: list[tuple[Answer, bool]] = []
    for path in expand(list(files)):
        for line, row in read_numbered(path):
            texts = {}
            for name in ("prompt", "answer", "source", "reference"):
                value = row.get(name, "")
                if not isinstance(value, str) or (not value.strip() and name in ("prompt", "answer")):
                    raise DataError(f"got {value!r}, wanted text", file=str(path), line=line, field=name)
                texts[name] = value
            label = row.get("label")
            if not isinstance(label, bool):
                raise DataError(f"got {label!r}, wanted true or false", file=str(path), line=line, field="label")
            found.append((Answer(**texts), label))
    if len({label for _, label in found}) < 2:
        raise BadInput(
            f"the {len(found)} labelled answers are all of one kind", hint="label some of each: true and false"
        )
    return found


def _answer(task: Task[Any], answered: harness.Answered, language: Language) -> Answer:
    inputs = answered.item.inputs
    source = str(getattr(inputs, task.document)) if task.document else ""
    reference = answered.item.references[0] if answered.item.references else ""
    return Answer(_asked(task, inputs, SOURCE[language]), _text(answered), source, reference)


def _material(task: Task[Any], answered: harness.Answered, language: Language) -> str:
    """The prompt with its document, for a judge of two answers."""
    inputs = answered.item.inputs
    return _asked(task, inputs, str(getattr(inputs, task.document)) if task.document else SOURCE[language])


def _asked(task: Task[Any], inputs: Any, document: str) -> str:
    if task.document:
        inputs = replace(inputs, **{task.document: document})
    return "\n\n".join(str(message["content"]) for message in task.messages(inputs))


def _text(answered: harness.Answered) -> str:
    return "" if answered.result is None else answered.result.text


def _scored(scores: list[Score], answers: Sequence[harness.Answered], found: Sequence[Judgement]) -> harness.Scored:
    done = [(a, j) for a, j in zip(answers, found, strict=True) if j.score is not None]
    rows = {
        f"{PREFIX}score": [float(j.score or 0.0) for _, j in done],
        f"{PREFIX}pass": [float(bool(j.passed)) for _, j in done],
    }
    return harness.Scored(scores, rows, [a for a, _ in done])
