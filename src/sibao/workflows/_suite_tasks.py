"""A suite that is one of Sibao's own tasks over published rows: read, answered and scored by the task's own code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sibao.core.errors import BadInput, DataError
from sibao.core.types import Model
from sibao.evaluation import harness
from sibao.evaluation.on_tasks import TaskRow, TaskSuite
from sibao.evaluation.suite import Rows, Setting, TaskForm
from sibao.store import rows as stored_rows
from sibao.tasks.base import load_task
from sibao.workflows._models import Opened
from sibao.workflows.evaluate import EvaluationResult, measured, stored
from sibao.workflows.jobs import has_template


def evaluate_task_suite(
    opened: Opened, run: str, suite: TaskSuite, rows: Rows, batch: int, quiet: bool
) -> EvaluationResult:
    """Scores of a model on such a suite; a group's (a direction, say) are reported by themselves."""
    task, wanted, todo = load_task(suite.task), suite.task_rows(rows), task_items(suite, rows)
    title = f"{suite.name} · {opened.model.name}"
    answers, speed = measured(suite.task, opened, todo, None, batch, quiet, title)
    harness.refuse_silence(answers)
    groups = list(dict.fromkeys(row.group for row in wanted))
    scored: list[harness.Scored] = []
    for group in groups:
        part = [answer for answer, row in zip(answers, wanted, strict=True) if row.group == group]
        found = harness.score(task, part, suite.metrics)
        scored += [_named(one, group) for one in found] if len(groups) > 1 else found
    stored_rows.add_rows(run, stored(answers, scored))
    return EvaluationResult(run, opened.model.name, suite.name, [s for g in scored for s in g.scores], speed, answers)


def task_items(suite: TaskSuite, rows: Rows) -> list[harness.Item]:
    """The rows of such a suite as its task reads them.

    Raises:
        DataError: by file, line and field.
    """
    task = load_task(suite.task)
    todo = [_item(task, number, row) for number, row in enumerate(suite.task_rows(rows))]
    if (
        len(suite.languages) == 1 and suite.area != "translation"
    ):  # an English name in a Chinese suite is a Chinese answer
        todo = [replace(item, language=suite.languages[0]) for item in todo]
    return todo


def task_setting(suite: TaskSuite, model: Model, shots: int | None, chat: str, seed: int) -> Setting:
    """How such a suite is asked: by the task's own prompt, in the form that the model takes, without worked examples.

    Raises:
        BadInput: worked examples, or another form, were asked for.
    """
    form: TaskForm = "chat" if has_template(model) else "plain"
    if getattr(model, "source_form", None) is not None:
        form = "source"
    what = f"{suite.name} is asked by the task {suite.task}'s own prompt"
    if shots:
        raise BadInput(f"{what}, which has no worked examples; got {shots} shots", hint="leave out --shots")
    if chat != "auto" and (chat == "on") != (form == "chat"):
        raise BadInput(f"{what}, for {model.name} in the form {form!r}", hint="leave out --chat-template")
    return Setting(chat=form == "chat", seed=seed, form=form)


def _item(task: Any, number: int, row: TaskRow) -> harness.Item:
    try:
        (item,) = harness.items(task, [(number, row.row)], **row.options)
    except DataError as error:
        file, line = str(row.row.get("_file", "")), int(row.row.get("_line", 0))
        raise DataError(error.message, file=file, line=line, field=error.field, hint=error.hint) from None
    return replace(item, cluster=row.cluster, language=row.language or item.language)


def _named(scored: harness.Scored, group: str) -> harness.Scored:
    """Scores of a group carry its name behind theirs."""

    def name(old: str) -> str:
        return f"{old}/{group}" if not old.endswith(f"/{group}") else old

    scores = [replace(s, name=name(s.name)) for s in scored.scores]
    return harness.Scored(scores, {name(k): v for k, v in scored.rows.items()}, scored.answers)
