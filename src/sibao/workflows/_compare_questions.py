"""What was asked in each row of a recorded evaluation, read again from the data as far as they are still at hand.

The store keeps answers and what was wanted, not the questions. Rows that cannot be shown to be the same ones give none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sibao.core.errors import SibaoError
from sibao.core.types import Message, words
from sibao.evaluation import places
from sibao.evaluation.on_tasks import TaskSuite
from sibao.evaluation.pairing import Pair
from sibao.evaluation.sample import Generation, Loglikelihood, Request
from sibao.evaluation.suite import RequestSuite, Rows, Setting, load_suite
from sibao.tasks.base import load_task
from sibao.workflows.evaluate import PERPLEXITY, read_data
from sibao.workflows.evaluate_suites import spread


def questions(recipe: Mapping[str, Any], pairs: Sequence[Pair], path: str | None = None) -> dict[int, str]:
    """Row → what was asked, without worked examples; empty where the data are gone or have changed."""
    try:
        if recipe.get("suite"):
            return dict(enumerate(_of_suite(recipe, path)))
        return _of_files(recipe, pairs)
    except (SibaoError, OSError):  # data that moved away are no reason not to compare what is in the store
        return {}


def _of_suite(recipe: Mapping[str, Any], path: str | None) -> list[str]:
    suite = load_suite(str(recipe["suite"]))
    place = places.find(suite.folder, suite.files, path)
    if place.digest(suite.files) != recipe.get("data"):
        return []
    rows = suite.read(place)
    limit = recipe.get("limit")
    if limit is not None and limit < len(rows.test):
        rows = Rows(spread(rows.test, limit), rows.shots, rows.split)
    if isinstance(suite, TaskSuite):
        task = load_task(suite.task)
        return [task.plain(task.read(one.row, **one.options)[0]) for one in suite.task_rows(rows)]
    if isinstance(suite, RequestSuite):
        return [_asked(sample.requests) for sample in suite.samples(rows, Setting())]
    return []


def _of_files(recipe: Mapping[str, Any], pairs: Sequence[Pair]) -> dict[int, str]:
    name = str(recipe.get("task") or "")
    if name == PERPLEXITY:
        return {}
    task, wanted = load_task(name), {pair.first.row: pair for pair in pairs}
    options = {"to": recipe["to"]} if recipe.get("to") else {}
    found: dict[int, str] = {}
    for number, (_, _, row) in enumerate(read_data(list(recipe.get("data") or []), recipe.get("limit"))):
        if number in wanted:
            inputs, target = task.read(row, **options)
            if target is None or list(task.references(target)) != list(wanted[number].first.references):
                return {}
            found[number] = task.plain(inputs)
    return found


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
