"""SQuAD JSON (Rajpurkar et al. 2016, arXiv:1606.05250; CMRC 2018 and DRCD use it too) to flat rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sibao.core.types import Row
from sibao.text._source import Fault


def is_article(row: Row) -> bool:
    """Whether a row is an article of SQuAD JSON; other data have a field ``paragraphs`` too (poems, as lists of lines)."""
    paragraphs = row.get("paragraphs")
    return isinstance(paragraphs, list) and any(
        isinstance(p, dict) and p.keys() & {"qas", "context"} for p in paragraphs
    )


def flatten(article: Row) -> Iterator[Row | Fault]:
    """One row for each question: ``id, title, context, question, answers{text, answer_start}``.

    A question without the key ``answers`` (a test set) gives a row without it; an empty list means that the passage
    does not answer the question.
    """
    for p, paragraph in enumerate(_list(article, "paragraphs", "")):
        where = f"paragraphs[{p}]."
        try:
            context = _string(paragraph, "context", where)
            questions = _list(paragraph, "qas", where)
        except Fault as fault:
            yield fault
            continue
        for q, question in enumerate(questions):
            try:
                row = _question(question, f"{where}qas[{q}].")
            except Fault as fault:
                yield fault
                continue
            head = {"id": row["id"], "title": str(article.get("title") or ""), "context": context}
            yield {**head, **row}


def _question(question: Any, where: str) -> Row:
    row: Row = {"question": _string(question, "question", where), "id": str(question.get("id", ""))}
    if "answers" in question:
        answers = _list(question, "answers", where)
        spots = [(answer, f"{where}answers[{a}].") for a, answer in enumerate(answers)]
        row["answers"] = {
            "text": [_string(answer, "text", spot) for answer, spot in spots],
            "answer_start": [_integer(answer, "answer_start", spot) for answer, spot in spots],
        }
    return row


def _get(value: Any, name: str, where: str) -> Any:
    if not isinstance(value, dict):
        raise Fault(f"wanted an object, got {type(value).__name__}", field=where.rstrip("."))
    if name not in value:
        raise Fault("the field is missing", field=where + name)
    return value[name]


def _list(value: Any, name: str, where: str) -> list[Any]:
    found = _get(value, name, where)
    if not isinstance(found, list):
        raise Fault(f"wanted an array, got {type(found).__name__}", field=where + name)
    return found


def _string(value: Any, name: str, where: str) -> str:
    found = _get(value, name, where)
    if not isinstance(found, str):
        raise Fault(f"wanted a string, got {type(found).__name__}", field=where + name)
    return found


def _integer(value: Any, name: str, where: str) -> int:
    found = _get(value, name, where)
    if not isinstance(found, int) or isinstance(found, bool):
        raise Fault(f"wanted a whole number, got {type(found).__name__}", field=where + name)
    return found
