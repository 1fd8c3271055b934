"""Tasks that a model does without writing: an encoder that marks the answer in the passage, or names a text's label."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sibao.core.errors import BadInput
from sibao.core.types import Head, Model, Usage
from sibao.tasks.answer import sentence_at
from sibao.tasks.base import Task, TaskResult


def direct(task: Task[Any], model: Model, many: Sequence[Any]) -> list[TaskResult] | None:
    """A result for each inputs; None where the model writes, and so does the task in the ordinary way.

    Raises:
        BadInput: a model that does not write, and whose head cannot do this task.
    """
    if not isinstance(model, Head):
        return None
    if task.name == "answer" and "spans" in model.can:
        return [_answer(model, inputs) for inputs in many]
    if task.name == "generate" and "classify" in model.can and not any(inputs.form for inputs in many):
        return _labels(model, [inputs.prompt for inputs in many])
    raise BadInput(f"{model.name} cannot {task.name}: it does not write", hint=f"it can: {', '.join(model.can)}")


def _answer(model: Any, inputs: Any) -> TaskResult:
    """Where the best stretch of the passage stands; all of a long passage is read."""
    begun = time.perf_counter()
    span = model.spans(inputs.question, inputs.context)
    sentence = None if span.start is None else sentence_at(inputs.context, span.start)
    fields = {"start": span.start, "sentence": sentence, "pieces": span.windows}
    usage = Usage(model.count(inputs.question) + model.count(inputs.context))
    note = f"marked in the passage, probability {span.probability:.2f}"
    return TaskResult(span.text, "stop", usage, time.perf_counter() - begun, fields, (note,))


def _labels(model: Any, texts: list[str]) -> list[TaskResult]:
    """The label of a classifier is its answer."""
    begun = time.perf_counter()
    labelled = model.classify(texts)
    seconds = (time.perf_counter() - begun) / max(len(texts), 1)
    return [
        TaskResult(
            one.label, "stop", Usage(model.count(text)), seconds, {}, (f"a label, probability {one.probability:.2f}",)
        )
        for one, text in zip(labelled, texts, strict=True)
    ]
