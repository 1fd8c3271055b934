"""What a recorded evaluation was about, read from its recipe: the rows it scored, and the way they were asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sibao.core.errors import UnknownName
from sibao.evaluation.suite_index import load_suite

ASKED = ("shots", "chat", "precision", "perturb", "seed")
"""Keys of a recipe that say how rows were asked, not which rows."""
_PLAIN: dict[str, Any] = {"shots": 0, "chat": False, "precision": "auto", "perturb": "", "seed": 0}

HUB_TASKS = {
    "generate": "text-generation", "perplexity": "text-generation", "translate": "translation",
    "answer": "question-answering", "summarize": "summarization", "describe": "image-text-to-text",
    "classify": "text-classification",
}  # fmt: skip
"""Sibao's task → the hub's."""
_AREAS = {"translation": "translation", "qa": "question-answering", "summarization": "summarization"}


@dataclass(frozen=True)
class Subject:
    """The rows: those of a ``suite``, or of ``files`` for a ``task`` (``to``: the language translated into); ``data`` is the
    digest of the suite's files, or of the task's rows. ``limit`` is None for all rows. ``asked`` holds what was out of the
    ordinary in the asking."""

    suite: str = ""
    task: str = ""
    data: str = ""
    files: tuple[str, ...] = ()
    to: str = ""
    split: str = ""
    limit: int | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The suite's name, or the task's."""
        return self.suite or self.task or "generate"

    @property
    def dataset(self) -> str:
        """The data as people call it: files without their folders, or the suite with its split."""
        if self.suite:
            return f"{self.suite} ({self.split})" if self.split not in ("", "test") else self.suite
        return ", ".join(Path(file).name for file in self.files) or "unnamed"

    @property
    def described(self) -> str:
        """``dataset`` with target language and limit, as a model card shows it."""
        name = self.dataset + (f" (to {self.to})" if self.to else "")
        part = f"{self.limit} rows spread evenly" if self.suite else f"first {self.limit}"
        return name + (f" ({part})" if self.limit else "")


def subject_of(recipe: Mapping[str, Any]) -> Subject:
    """The subject of a run, from the recipe that the store keeps."""
    suite, data = str(recipe.get("suite") or ""), recipe.get("data")
    files = tuple(str(file) for file in data) if isinstance(data, list) else ()
    digest = str(recipe.get("digest") or "") if files else str(data or "")
    asked = {key: recipe[key] for key in ASKED if key in recipe and recipe[key] != _PLAIN.get(key)}
    limit = recipe.get("limit")
    return Subject(
        suite=suite, task=str(recipe.get("task") or ""), data=digest, files=files,
        to=str(recipe.get("to") or ""), split=str(recipe.get("split") or ""),
        limit=limit if isinstance(limit, int) else None, asked=asked,
    )  # fmt: skip


def other_rows(first: Subject, second: Subject) -> str:
    """Why two runs were not on the same rows; empty where nothing in their recipes says so."""
    data = [subject.data or _names(subject) for subject in (first, second)]
    if first.files and second.files and (first.limit != second.limit or not (first.data and second.data)):
        data = [_names(subject) for subject in (first, second)]  # the first rows of one file: paired as far as both go
    for what, a, b in (
        ("suite or task", first.name, second.name),
        ("data", *data),
        ("split", first.split, second.split),
        ("language translated into", first.to, second.to),
    ):
        if a != b:
            return f"{what}: {a or 'none'} and {b or 'none'}"
    if first.suite and first.limit != second.limit:
        return f"limit: {first.limit or 'all rows'} and {second.limit or 'all rows'}, each spread over the whole suite"
    return ""


def asked_otherwise(first: Subject, second: Subject) -> list[str]:
    """What differs in the asking: ``shots: 0 and 5``."""
    keys = [key for key in ASKED if first.asked.get(key) != second.asked.get(key)]
    return [f"{key}: {_shown(key, first)} and {_shown(key, second)}" for key in keys]


def _names(subject: Subject) -> str:
    return ", ".join(sorted(Path(file).name for file in subject.files))


def _shown(key: str, subject: Subject) -> str:
    value = subject.asked.get(key, _PLAIN.get(key, ""))
    return (
        {True: "yes", False: "no", "": "none"}.get(value, str(value)) if isinstance(value, bool | str) else str(value)
    )


def labelled(model: str, recipe: Mapping[str, Any]) -> str:
    """A model's name with the precision that it was asked in, where that is out of the ordinary."""
    precision = str(recipe.get("precision") or "auto")
    return model if precision == "auto" else f"{model} ({precision})"


def hub_task(name: str) -> str:
    """What the hub calls the work of a task or suite; any other name in the hub's letters."""
    if name in HUB_TASKS or not name:
        return HUB_TASKS.get(name, "text-generation")
    try:
        return _AREAS.get(load_suite(name).area, "text-generation")
    except UnknownName:
        return re.sub(r"[^\w.-]+", "-", name).strip("-").lower() or "text-generation"
