"""What was asked in each row of a recorded evaluation, read again from the data as far as they are still at hand.

The store keeps answers and what was wanted, not the questions. Rows that cannot be shown to be the same ones give none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sibao.core.errors import SibaoError
from sibao.core.types import Message, words
from sibao.evaluation import places
from sibao.evaluation.on_tasks import TaskSuite
from sibao.evaluation.pairing import Pair
from sibao.evaluation.sample import Generation, Loglikelihood, Request
from sibao.evaluation.suite import RequestSuite, Rows, Setting, Suite, spread
from sibao.evaluation.suite_index import load_suite
from sibao.tasks.base import Task, load_task
from sibao.workflows.evaluate import PERPLEXITY, read_data


def questions(recipe: Mapping[str, Any], pairs: Sequence[Pair], path: str | None = None) -> dict[int, str]:
    """Row → what was asked, without worked examples; empty where the data are gone or have changed."""
    try:
        if recipe.get("suite"):
            return _of_suite(recipe, pairs, path)
        return _of_files(recipe, pairs)
    except (SibaoError, OSError):  # data that moved away are no reason not to compare what is in the store
        return {}


def _of_suite(recipe: Mapping[str, Any], pairs: Sequence[Pair], path: str | None) -> dict[int, str]:
    suite = load_suite(str(recipe["suite"]))
    place = places.find(suite.folder, suite.files, path)
    if place.digest(suite.files) != recipe.get("data"):
        return {}
    for one in (suite, *map(suite.as_variant, suite.variants)):
        rows = one.read(place)
        if rows.split == recipe.get("split"):
            limit = recipe.get("limit")
            test = spread(rows.test, limit) if limit is not None and limit < len(rows.test) else rows.test
            return _asked_of(one, Rows(test, rows.shots, rows.split), pairs)
    return {}


def _asked_of(suite: Suite, rows: Rows, pairs: Sequence[Pair]) -> dict[int, str]:
    if isinstance(suite, TaskSuite):
        task = load_task(suite.task)
        read = (task.read(one.row, **one.options) for one in suite.task_rows(rows))
        return _checked(((n, task, inputs, target) for n, (inputs, target) in enumerate(read)), pairs)
    if isinstance(suite, RequestSuite):
        samples = suite.samples(rows, Setting())
        return {n: _asked(s.requests) for n, s in enumerate(samples)} if len(samples) > pairs[-1].first.row else {}
    return {}


def _checked(found: Iterable[tuple[int, Task[Any], Any, Any]], pairs: Sequence[Pair]) -> dict[int, str]:
    """The prompts of a task's rows that are among the pairs; none at all where one of them wants another text."""
    wanted, out = {pair.first.row: pair.first.references for pair in pairs}, dict[int, str]()
    for number, task, inputs, target in found:
        if number in wanted:
            if target is None or list(task.references(target)) != list(wanted[number]):
                return {}
            out[number] = task.plain(inputs)
    return out


def _of_files(recipe: Mapping[str, Any], pairs: Sequence[Pair]) -> dict[int, str]:
    name = str(recipe.get("task") or "")
    if name == PERPLEXITY:
        return {}
    task, options = load_task(name), {"to": recipe["to"]} if recipe.get("to") else {}
    rows = read_data(list(recipe.get("data") or []), recipe.get("limit"))
    return _checked(((n, task, *task.read(row, **options)) for n, (_, _, row) in enumerate(rows)), pairs)


def _asked(requests: Sequence[Request]) -> str:
    """The text that a sample's first request stands for."""
    if not requests:
        return ""
    one = requests[0]
    if isinstance(one, Loglikelihood):
        return _text(one.context) or one.continuation
    return _text(one.prompt) if isinstance(one, Generation) else one.text


def _text(prompt: str | list[Message]) -> str:
    return prompt if isinstance(prompt, str) else "\n".join(words(message) for message in prompt)
