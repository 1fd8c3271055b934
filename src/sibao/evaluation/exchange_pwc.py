"""Evaluation tables in the JSON of Papers with Code (its dumps are CC BY-SA 4.0; the site closed in July 2025).

A list of tasks; a task has ``subtasks`` (tasks again) and ``datasets``; a dataset has ``subdatasets`` (datasets again) and
``sota``: the names of its ``metrics`` and ``rows`` of models with a figure, a text as a rule, for each metric.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sibao.core.errors import DataError
from sibao.evaluation.exchange import Found, extras, string, with_extras, written
from sibao.evaluation.exchange_files import read_json, write_file
from sibao.store.published import Published

ARROW = " › "
"""Between the parts of a place, and between a subdataset and what is below it."""
OURS = "sibao"
"""A row's further field, where we write one: interval, rows and signature of each figure."""


def read_tables(path: Path) -> Found:
    """All figures of a file.

    Raises:
        DataError: the file cannot be read, or is neither a task nor a list of them.
    """
    return tables(read_json(path), str(path))


def tables(content: Any, file: str = "") -> Found:
    """All figures of parsed JSON; parts of another form are reported, each with the way to it.

    Raises:
        DataError: neither a task nor a list of tasks.
    """
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(task, dict) and "task" in task for task in content):
        raise DataError(
            "not a table of Papers with Code: wanted a list of objects with the field 'task'",
            file=file,
            hint="model cards are README.md files, results of the hub .eval_results/*.yaml",
        )
    found = Found()
    todo = [(task, "") for task in reversed(content)]
    while todo:  # not by recursion: a file may nest as deep as it likes
        task, above = todo.pop()
        name = string(task.get("task")) or "(no name)"
        where = above + name
        for dataset in _objects(found, task, "datasets", where):
            _dataset(found, dataset, name, where)
        todo += [(one, where + ARROW) for one in reversed(_objects(found, task, "subtasks", where))]
    return found


def _objects(found: Found, parent: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    """The objects of a list that may be missing."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        found.malformed(where + ARROW + key, "a list", value)
        return []
    for item in value:
        if not isinstance(item, dict):
            found.malformed(where + ARROW + key, "an object", item)
    return [item for item in value if isinstance(item, dict)]


def _dataset(found: Found, top: dict[str, Any], task: str, above: str) -> None:
    name = string(top.get("dataset")) or "(no name)"
    todo = [(top, "", above + ARROW + name)]
    while todo:
        dataset, subset, where = todo.pop()
        sota = dataset.get("sota")
        if isinstance(sota, dict):
            for row in _objects(found, sota, "rows", where):
                _row(found, row, Published(task, name, "", "", 0.0, subset=subset), where)
        elif sota is not None:
            found.malformed(where + ARROW + "sota", "an object", sota)
        for one in reversed(_objects(found, dataset, "subdatasets", where)):
            part = string(one.get("subdataset")) or "(no name)"
            todo.append((one, subset + ARROW + part if subset else part, where + ARROW + part))


def _row(found: Found, row: dict[str, Any], base: Published, where: str) -> None:
    title, model = string(row.get("paper_title")), string(row.get("model_name"))
    metrics = row.get("metrics")
    if not isinstance(metrics, dict):
        found.malformed(where + ARROW + (model or title or "(no name)"), "an object 'metrics'", metrics)
        return
    for metric, raw in metrics.items():
        if not model and not title:
            found.malformed(where, "a row with 'model_name' or 'paper_title'", {metric: raw})
            continue
        one = Published(
            base.task, base.dataset, model or title, str(metric).strip(), 0.0, subset=base.subset,
            date=string(row.get("paper_date")), title=title, url=string(row.get("paper_url")),
            note="" if model else "the paper's title: the table has no name for the model",
        )  # fmt: skip
        ours = row.get(OURS)
        one = with_extras(one, ours.get(metric) if isinstance(ours, dict) else None)
        found.add(one, raw, ARROW.join((where, one.model, one.metric)))


def to_tables(results: Iterable[Published]) -> list[dict[str, Any]]:
    """Results in the form of the dumps: a task each, its datasets, and one row for each model of one paper."""
    by_task: dict[str, dict[str, dict[str, list[Published]]]] = {}
    for result in results:
        by_task.setdefault(result.task, {}).setdefault(result.dataset, {}).setdefault(result.subset, []).append(result)
    return [
        {
            "task": task,
            "description": "",
            "categories": [],
            "synonyms": [],
            "subtasks": [],
            "datasets": [_to_dataset(name, parts) for name, parts in datasets.items()],
        }
        for task, datasets in by_task.items()
    ]


def _to_dataset(name: str, parts: dict[str, list[Published]]) -> dict[str, Any]:
    subsets = [
        {"subdataset": subset, "description": "", "dataset_links": [], "sota": _to_sota(found), "subdatasets": []}
        for subset, found in parts.items()
        if subset
    ]
    links: dict[str, list[Any]] = {"dataset_links": [], "dataset_citations": []}
    return {"dataset": name, "description": "", **links, "sota": _to_sota(parts.get("", [])), "subdatasets": subsets}


def _to_sota(results: list[Published]) -> dict[str, Any]:
    return {"metrics": list(dict.fromkeys(r.metric for r in results)), "rows": list(_to_rows(results))}


def _to_rows(results: list[Published]) -> Iterator[dict[str, Any]]:
    """A model has as many rows as it has figures for one metric: what was evaluated twice stands there twice."""
    rows: list[tuple[tuple[str, str, str, str], dict[str, Published]]] = []
    for r in results:
        key = (r.model, r.title, r.url, r.date)
        free = next((figures for other, figures in rows if other == key and r.metric not in figures), None)
        if free is None:
            free = {}
            rows.append((key, free))
        free[r.metric] = r
    for (model, title, url, date), figures in rows:
        ours = {metric: more for metric, r in figures.items() if (more := extras(r))}
        yield {
            "model_name": model, "paper_title": title, "paper_url": url, "paper_date": date or None, "code_links": [],
            "model_links": [], "uses_additional_data": False, "metrics": {m: written(r) for m, r in figures.items()},
            **({OURS: ours} if ours else {}),
        }  # fmt: skip


def write_tables(path: Path, results: Iterable[Published]) -> None:
    """Write a file of tables (.json or .json.gz)."""
    write_file(path, json.dumps(to_tables(results), ensure_ascii=False, indent=2) + "\n")
