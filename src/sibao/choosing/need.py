"""Which task a need is about: told by the fields of its rows, else by its words, else ``unclear`` rather than a guess."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from sibao.core.errors import DataError
from sibao.core.types import Language, Row
from sibao.text.rows import Kind, kind_of

NeedTask = Literal["generate", "translate", "answer", "summarize", "describe", "unclear"]
OF_KIND: dict[Kind, NeedTask] = {
    "translation": "translate", "qa": "answer", "summary": "summarize", "picture": "describe",
    "prompt_completion": "generate", "messages": "generate", "form": "generate",
}  # fmt: skip
"""The task of each published form of rows; bare texts and preferences have none."""
WORDS = Path(__file__).with_name("need_words.toml")
LEAST, MARGIN = 2, 1
"""A task is named where its words weigh so much, and so much more than any other's."""
BOTH, ONE = 3, 1
"""Weight for translation of two languages named together, and of one behind "into" or "in"."""
_INTO = re.compile(
    r"(?:\binto|\bto) (?:simplified |traditional )?(chinese|mandarin|english)\b|(?:成|为|到)(中文|汉语|英文|英语)"
)
_IN = re.compile(r"\bin (?:simplified |traditional )?(chinese|mandarin|english)\b")
_ENGLISH = ("english", "英文", "英语")


@dataclass(frozen=True)
class Need:
    """``task`` with ``why`` (fields or words that told) and ``confidence`` (their share of all that spoke, 0..1); ``to`` is the
    language to translate into where the words say it."""

    task: NeedTask
    why: str
    confidence: float
    to: Language | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dict(self.__dict__)


def classify(text: str = "", rows: Sequence[Row] = ()) -> Need:
    """The task of a need.

    Args:
        text: what is wanted, Chinese or English.
        rows: some rows of the data, in their published form; they decide where they can.
    """
    target = _target(text)
    if rows:
        found = _of_rows(rows)
        if found is not None:
            return Need(found[0], found[1], 1.0, target)
    return _of_words(text, target)


def _of_rows(rows: Sequence[Row]) -> tuple[NeedTask, str] | None:
    kinds = set()
    for row in rows:
        try:
            kinds.add(kind_of(row))
        except DataError:
            return None
    tasks = {OF_KIND.get(kind) for kind in kinds}
    task = next(iter(tasks))
    if len(tasks) > 1 or task is None:
        return None
    return task, "the rows have the fields " + ", ".join(
        sorted(str(key) for key in rows[0] if not str(key).startswith("_"))
    )


def _of_words(text: str, target: Language | None) -> Need:
    lower = text.lower()
    weights: dict[NeedTask, float] = {}
    heard: dict[NeedTask, list[str]] = {}
    for task, weight, pattern in _cues():
        for cue in dict.fromkeys(pattern.findall(lower)):
            weights[task] = weights.get(task, 0) + weight
            heard.setdefault(task, []).append(cue)
    spoken = _spoken(lower)
    extra = BOTH if len(spoken) == 2 else ONE if target else 0
    if extra:
        weights["translate"] = weights.get("translate", 0) + extra
        heard.setdefault("translate", []).append(" + ".join(spoken))
    return _judge(weights, heard, target)


def _judge(weights: dict[NeedTask, float], heard: dict[NeedTask, list[str]], target: Language | None) -> Need:
    order: list[NeedTask] = sorted(weights, key=lambda task: -weights[task])
    if not order:
        return Need("unclear", "no word of it names a task", 0.0)
    best, total = order[0], sum(weights.values())
    second = weights[order[1]] if len(order) > 1 else 0
    why = "; ".join(f"{task}: {', '.join(heard[task])}" for task in order[:2])
    if weights[best] < LEAST or weights[best] - second < MARGIN:
        return Need("unclear", f"the words do not decide ({why})", weights[best] / total)
    return Need(best, why, weights[best] / total, target if best == "translate" else None)


def _target(text: str) -> Language | None:
    """The language to translate into; None where the text names none, or several."""
    lower = text.lower()
    found = {word for match in _INTO.findall(lower) for word in match if word}
    if (
        not found and len(_spoken(lower)) == 1
    ):  # "in Chinese" may as well be where it comes from, beside another language
        found = set(_IN.findall(lower))
    languages: set[Language] = {"en" if word in _ENGLISH else "zh" for word in found}
    return next(iter(languages)) if len(languages) == 1 else None


def _spoken(lower: str) -> list[str]:
    """Languages named in a text."""
    return [name for name, pattern in _languages().items() if pattern.search(lower)]


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads(WORDS.read_text(encoding="utf-8"))


@cache
def _cues() -> list[tuple[NeedTask, float, re.Pattern[str]]]:
    """Task, weight and pattern of each cue in the file."""
    return [
        (group["task"], float(group["weight"]), _pattern(cue))
        for group in _words()["cue"]
        for cue in (*group["zh"], *group["en"])
    ]


@cache
def _languages() -> dict[str, re.Pattern[str]]:
    """A pattern for each language by its names."""
    return {code: re.compile("|".join(map(re.escape, names))) for code, names in _words()["languages"].items()}


def _pattern(cue: str) -> re.Pattern[str]:
    """A Chinese cue wherever it stands; an English one as whole words, ``*`` any ending, ``?`` any letter."""
    body = re.escape(cue).replace(r"\*", r"\w*").replace(r"\?", r"\w")
    return re.compile(body if not cue.isascii() else rf"(?<!\w){body}(?!\w)")
