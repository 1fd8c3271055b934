"""What an evaluation would cost, from a few of its rows; what these answer is kept, so nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sibao.core.errors import BadInput
from sibao.core.types import Completion, GenerateOptions, Usage
from sibao.evaluation import harness
from sibao.evaluation.asking import ask, read_by
from sibao.evaluation.budget import Metered, Preview, preview
from sibao.evaluation.sample import Generation, Sample
from sibao.evaluation.suite import RequestSuite
from sibao.tasks.base import Task, load_task
from sibao.workflows._models import Opened, Opening, open_model
from sibao.workflows.evaluate import PERPLEXITY, items_of, read_data

PILOT = 20
"""Rows asked before all."""
T = TypeVar("T")


def preview_samples(opened: Opened, suite: RequestSuite, samples: Sequence[Sample]) -> Preview:
    """The cost of all samples, from ``PILOT`` of them at even distances.

    Raises:
        BadInput: nobody knows the model's price.
    """
    meter = _meter(opened)

    def kept(sample: Sample) -> Usage:
        (outcome,) = ask(opened.model, [sample], judge=suite.judge)
        written = sum((r.usage.completion_tokens for r in outcome.replies if isinstance(r, Completion)), 0)
        return Usage(sum(read_by(meter, request) for request in sample.requests), written)

    most = sum(_worst(meter, request) for sample in samples for request in sample.requests)
    return preview(_pilot(meter, samples, kept), len(samples), most, meter.price)


def preview_items(
    opened: Opened, task: Task[Any], items: Sequence[harness.Item], options: GenerateOptions | None = None
) -> Preview:
    """The same for rows of a task. ``most`` takes the parts of a text that is too long for the model as read once.

    Raises:
        BadInput: nobody knows the model's price. ProviderError: the key is refused.
    """
    meter = _meter(opened)

    def asked(item: harness.Item) -> Usage:
        (answered,) = harness.answer(task, opened.model, [item], options)
        return Usage() if answered.result is None else answered.result.usage

    def worst(item: harness.Item) -> float:
        new = options.max_tokens if options is not None else task.max_tokens(item.inputs)
        prompt = meter.count(task.messages(item.inputs))
        return meter.price.cost(Usage(prompt, new * max(1, -(-prompt // opened.model.context))))

    return preview(_pilot(meter, items, asked), len(items), sum(map(worst, items)), meter.price)


def preview_task(
    model: str,
    task: str,
    data: Sequence[str],
    *,
    to: str | None = None,
    limit: int | None = None,
    max_tokens: int | None = None,
    how: Opening | None = None,
) -> Preview:
    """What ``evaluate`` on files of rows would cost.

    Raises:
        DataError, BadInput: see ``evaluate``; perplexity, which writes nothing.
    """
    if task == PERPLEXITY:
        raise BadInput("perplexity reads each text once and writes nothing: there is no preview of it")
    work, rows = load_task(task), read_data(data, limit)
    items = items_of(work, rows, to)
    opened = open_model(model, how)
    try:
        options = None if max_tokens is None else GenerateOptions(max_tokens=max_tokens)
        return preview_items(opened, work, items, options)
    finally:
        opened.close()


def _meter(opened: Opened) -> Metered:
    if opened.meter is None:
        raise BadInput(f"{opened.model.name} writes nothing that could be priced")
    return opened.meter


def _pilot(meter: Metered, rows: Sequence[T], used: Callable[[T], Usage]) -> list[Usage]:
    """The usage of some rows: what was paid for each, or what ``used`` says, where its answer was kept from before."""
    count = min(PILOT, len(rows))
    found: list[Usage] = []
    for place in range(count):
        before = meter.usage
        told = used(rows[place * len(rows) // count])
        paid = Usage(
            meter.usage.prompt_tokens - before.prompt_tokens, meter.usage.completion_tokens - before.completion_tokens
        )
        found.append(paid if paid != Usage() else told)
    return found


def _worst(meter: Metered, request: Any) -> float:
    if isinstance(request, Generation):
        return meter.worst(request.prompt, request.options)
    return meter.price.cost(Usage(read_by(meter, request)))
