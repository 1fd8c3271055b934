"""The three questions of the guide, answered from facts: what is the best use, how to choose, how to evaluate.

The answers hold what the catalogue knows today and what the task's own metrics are; opinions are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sibao.choosing.advice_words import COMMANDS, METRICS, QUESTIONS, TASKS, WORDS
from sibao.choosing.catalogue import Catalogue, Entry
from sibao.choosing.facts import entry_cells, price_words
from sibao.choosing.limits import Limits, check, shown_count
from sibao.choosing.need import Need
from sibao.core.types import Language

SHOWN = 4
"""Models named of each kind."""


@dataclass(frozen=True)
class Section:
    """One question with its answer, a line each."""

    question: str
    lines: tuple[str, ...]


def shortlist(catalogue: Catalogue, task: str, limits: Limits, today: date | None = None) -> list[Entry]:
    """Entries that do a task and break no limit that the catalogue can tell: open ones by size, then hosted ones by price."""
    fits = [e for e in catalogue if task in e.tasks and not check(e.name, entry_cells(e, today), limits)]
    if task == "translate":  # between Chinese and English: who is known to lack one of them does not
        fits = [e for e in fits if not e.languages or {"zh", "en"} <= set(e.languages)]
    return sorted(fits, key=_order)


def _order(entry: Entry) -> tuple[bool, float, str]:
    price = entry.price
    known = (
        entry.parameters if not entry.remote else price.input_per_million + price.output_per_million if price else None
    )
    return entry.remote, float("inf") if known is None else float(known), entry.name


def advice(
    need: Need,
    metrics: Sequence[str],
    catalogue: Catalogue,
    limits: Limits,
    language: Language,
    today: date | None = None,
) -> list[Section]:
    """The guide's questions 9.1, 9.2 and 9.3 for a need; ``metrics`` are those of its task."""
    asked, words = QUESTIONS[language], WORDS[language]
    if need.task == "unclear":
        return [Section(asked["use"], (words["unclear"].format(why=need.why), *TASKS[language].values()))]
    fits = shortlist(catalogue, need.task, limits, today)
    command = COMMANDS[need.task].format(to=need.to or "en|zh")
    return [
        Section(asked["use"], (TASKS[language][need.task], words["told"].format(why=need.why), command)),
        Section(asked["choose"], tuple(_choosing(catalogue, fits, words, today))),
        Section(asked["evaluate"], tuple(_evaluating(metrics, language))),
    ]


def _choosing(catalogue: Catalogue, fits: list[Entry], words: dict[str, str], today: date | None) -> list[str]:
    here = [e for e in fits if not e.remote]
    there = [e for e in fits if e.remote]
    gone = [e for e in catalogue if entry_cells(e, today)["availability"].value == "retired"]
    size = ", ".join(f"{e.name} ({shown_count(e.parameters)})" for e in here[:SHOWN] if e.parameters)
    cost = ", ".join(f"{e.name} {price_words(e.price, today)}" for e in there[:SHOWN] if e.price)
    retired = ", ".join(f"{e.name} → {e.successor}" for e in gone if e.successor)
    return [
        words["size"].format(models=size or words["none"]),
        words["performance"],
        words["availability"].format(open=len(here), hosted=len(there), retired=retired or words["none"]),
        words["cost"].format(models=cost or words["none"]),
    ]


def _evaluating(metrics: Sequence[str], language: Language) -> list[str]:
    known = METRICS[language]
    lines = [known[name] for name in dict.fromkeys((*metrics, "accuracy", "perplexity", "bleu")) if name in known]
    return [WORDS[language]["metrics"].format(metrics=", ".join(metrics)), *lines]


def to_json(sections: list[Section]) -> list[dict[str, Any]]:
    """Plain data."""
    return [{"question": one.question, "answer": list(one.lines)} for one in sections]
