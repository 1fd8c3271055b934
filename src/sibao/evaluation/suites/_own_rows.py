"""A user's own multiple-choice rows: ``question``, options, ``answer``, in whatever form they are usually kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sibao.core.types import Row
from sibao.evaluation.choice import LETTERS, Question
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._options import ids, refuse
from sibao.text.language import detect

FILES = ("questions*.*", "shots*.*")
LISTS = ("choices", "options")
GROUPS = ("subject", "category", "group")
PASSAGES = ("passage", "context")
FORMS = 'wanted a list "choices", or columns choice0, choice1 … or A, B …'


def read(place: Place) -> Rows:
    """The rows of the file that was named, else of ``questions.*``; worked examples in ``shots.*`` beside it."""
    shots = list(place.rows(FILES[1])) if place.has(FILES[1]) else []
    return Rows(list(place.rows(FILES[0])), shots)


def questions(rows: Sequence[Row]) -> list[Question]:
    """The rows as questions. Ids are those of a field ``id``, where each row has its own, else files and lines.

    Raises:
        DataError: no question, fewer than two options, an answer that names none of them or might name two.
    """
    return [_question(row, name) for row, name in zip(rows, ids(rows, "id"), strict=True)]


def _question(row: Row, name: str) -> Question:
    text, found = field(row, "question").strip(), options(row)
    return Question(
        name,
        text,
        found,
        gold(row, found),
        group=_first(row, GROUPS),
        cluster=str(row.get("cluster") or ""),
        language=detect(text),
        passage=_first(row, PASSAGES),
    )


def _first(row: Row, names: Sequence[str]) -> str:
    return next((str(row[name]).strip() for name in names if row.get(name)), "")


def options(row: Row) -> tuple[str, ...]:
    """The options of a row, in order; empty columns at the end are none.

    Raises:
        DataError: fewer than two, or an empty one.
    """
    name, found = _given(row)
    if len(found) < 2:
        refuse(row, name, f"got {len(found)} options, wanted at least two", FORMS)
    for text in found:
        if not isinstance(text, str | int | float) or not str(text).strip():
            refuse(row, name, f"got {text!r} for an option, wanted a text")
    return tuple(str(text).strip() for text in found)


def _given(row: Row) -> tuple[str, list[Any]]:
    for name in LISTS:
        if isinstance(row.get(name), dict):  # {"text": [...], "label": [...]}, as ARC and CommonsenseQA have it
            return name, list(row[name].get("text", []))
        if name in row:
            return name, list(field(row, name, list))
    for names in ([f"choice{i}" for i in range(len(LETTERS))], list(LETTERS)):
        given = [row.get(name) for name in names]
        while given and given[-1] in (None, ""):
            given.pop()
        if given:
            return names[0], given
    refuse(row, "choices", "missing", FORMS)


def gold(row: Row, found: Sequence[str]) -> tuple[int, ...]:
    """The right options, of ``answer`` (else ``answerKey`` or ``label``): an index from 0, a letter, an option's text, or a list
    of those."""
    name = next((one for one in ("answer", "answerKey", "label") if row.get(one) not in (None, "")), "answer")
    value = field(row, name, (int, str, list))
    several = value if isinstance(value, list) else [value]
    if not several:
        refuse(row, name, "is empty, wanted an answer")
    return tuple(dict.fromkeys(_one(row, name, one, found) for one in several))


def _one(row: Row, name: str, value: Any, found: Sequence[str]) -> int:
    """Which option a value means, by every reading; several meanings are refused, not guessed at."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        refuse(row, name, f"got {value!r}, wanted an index, a letter or the text of an option")
    text = str(value).strip()
    meant = {number for number, option in enumerate(found) if option == text and isinstance(value, str)}
    if text.isdecimal() and int(text) < len(found):
        meant.add(int(text))
    if len(text) == 1 and text.isalpha() and text.upper() in LETTERS[: len(found)]:
        meant.add(LETTERS.index(text.upper()))
    if not meant:
        refuse(row, name, f"{text!r} is none of the {len(found)} options: no index from 0, letter or text of one")
    if len(meant) > 1:
        both = " or ".join(repr(found[number]) for number in sorted(meant))
        refuse(row, name, f"{text!r} may mean {both}", "name the option by its letter")
    return meant.pop()
