"""All that is known of one model, cell by cell, each with its interval, its source and its date.

A scorecard holds facts only: figures that were measured here say by which run, those that were read say where, and an estimate
says that it is one. What nobody knows is left out, never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sibao.core.types import Language, Score
from sibao.evaluation.direction import direction_of

Section = Literal[
    "language", "accuracy", "translation", "qa", "summarization", "bias", "safety", "speed", "cost", "facts"
]
Kind = Literal["measured", "estimated", "stated"]
SECTIONS: dict[Section, dict[Language, str]] = {
    "facts": {"en": "What it is", "zh": "概况"},
    "language": {"en": "Language modelling", "zh": "语言建模"},
    "accuracy": {"en": "Knowledge and reasoning", "zh": "知识与推理"},
    "translation": {"en": "Translation", "zh": "翻译"},
    "qa": {"en": "Question answering", "zh": "问答"},
    "summarization": {"en": "Summarization", "zh": "摘要"},
    "bias": {"en": "Bias and fairness", "zh": "偏见与公平"},
    "safety": {"en": "Safety", "zh": "安全"},
    "speed": {"en": "Speed and memory", "zh": "速度与内存"},
    "cost": {"en": "Energy and cost", "zh": "能耗与费用"},
}
"""Sections in the order in which they are shown, with their titles."""


@dataclass(frozen=True)
class Cell:
    """One figure or fact. ``value`` is a number, or words in section ``facts``.

    ``better``: "higher", "lower", or "" where neither is; ``ideal`` is the value that is best then. ``source`` says where it
    comes from (a run's id, a file, a method), ``date`` when (ISO). ``note`` warns the reader, in both languages. ``leading``: it
    stands for its suite.
    """

    section: Section
    name: str
    value: float | str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    n: int = 0
    missing: int = 0
    chance: float | None = None
    ideal: float | None = None
    better: str = ""
    kind: Kind = "measured"
    source: str = ""
    date: str = ""
    signature: str = ""
    note: dict[Language, str] = field(default_factory=dict)
    leading: bool = False

    @property
    def at_chance(self) -> bool:
        """Whether guessing would do as well: the interval holds what guessing gives."""
        return self.chance is not None and self.low is not None and self.high is not None and (
            self.low <= self.chance <= self.high
        )  # fmt: skip


@dataclass(frozen=True)
class Scorecard:
    """A model's cells, in the order of ``SECTIONS``."""

    model: str
    precision: str
    machine: str
    date: str
    cells: tuple[Cell, ...]

    def section(self, name: Section) -> list[Cell]:
        """The cells of a section."""
        return [cell for cell in self.cells if cell.section == name]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        head = {"model": self.model, "precision": self.precision, "machine": self.machine, "date": self.date}
        return {**head, "cells": [asdict(cell) | {"at_chance": cell.at_chance} for cell in self.cells]}


@dataclass(frozen=True)
class About:
    """What a suite says of its scores; see ``suite.Suite``. ``suite`` is its name, empty for the rows of a user's own."""

    section: Section
    headline: str
    suite: str = ""
    note: dict[Language, str] = field(default_factory=dict)


def cells_of(suite: str, scores: Sequence[Score], about: About, run: str, date: str) -> list[Cell]:
    """A run's scores as cells: the headline and the other values over all rows; groups stay in the run."""
    found = []
    for score in scores:
        base = score.name.partition("/")[0]
        whole = "/" not in score.name or score.name.partition("/")[2] in ("zh", "en", "en-zh", "zh-en")
        if not whole or score.value != score.value:
            continue
        main, way = base == about.headline, direction_of(score.name, about.suite)
        better = way.which if way.known and way.which != "neither" else ""
        found.append(
            Cell(
                about.section, f"{suite} · {score.name}", score.value, "", score.low, score.high, score.level, score.n,
                score.missing, score.chance, way.ideal, better, "measured", f"run {run}", date, score.signature,
                about.note if main else {}, main,
            )
        )  # fmt: skip
    return sorted(found, key=lambda cell: cell.name.split(" · ")[1].partition("/")[0] != about.headline)
