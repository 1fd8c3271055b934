"""What a row of a data file may be: its published forms, its text, and how a bad one is described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sibao.core.errors import DataError
from sibao.core.types import Row, words
from sibao.text.preferences import preference

Kind = Literal["text", "prompt_completion", "messages", "preference", "translation", "qa", "summary", "form", "picture"]

FORMS: dict[Kind, str] = {
    "form": '{"form", "text"}',
    "picture": '{"image" | "images" | "video", "text"} or {"image", "question", "answer"}',
    "preference": '{"prompt" | "conversations", "chosen", "rejected"}',
    "messages": '{"messages": [{"role", "content"}]}',
    "prompt_completion": '{"prompt", "completion"}',
    "translation": '{"translation": {"en", "zh"}} or {"en", "zh"}',
    "qa": '{"question", "context", "answers": {"text", "answer_start"}} or SQuAD JSON',
    "summary": '{"document" | "article" | "text", "summary"}',
    "text": '{"text"}',
}
"""Every form with its fields; rows are recognised in this order (``text`` last: other forms hold it too)."""
DOCUMENTS = ("document", "article", "text")
SEEN = ("image", "images", "video")
TOLD = ("text", "caption", "answer")
"""What a row says about its picture."""


@dataclass(frozen=True)
class BadRow:
    """A row that could not be used. ``line`` counts from 1 (rows, in Parquet); 0 when it is the file as a whole."""

    file: str
    line: int
    field: str
    message: str
    hint: str = ""

    def error(self) -> DataError:
        """The same as an exception."""
        return DataError(self.message, file=self.file, line=self.line, field=self.field, hint=self.hint)

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def kind_of(row: Row, *, file: str = "", line: int = 0) -> Kind:
    """Which published form a row has, told by its fields.

    Raises:
        DataError: no known form (they are listed), or a field of the wrong type.
    """
    for kind, fields in _FIELDS.items():
        if any(all(name in row for name in names) for names in fields):
            fault = _CHECKS[kind](row)
            if fault:
                raise DataError(fault[1], file=file, line=line, field=fault[0])
            return kind
    got = ", ".join(map(repr, row)) or "no field at all"
    raise DataError(f"the row has {got}, which is no known form", file=file, line=line, hint=f"known: {_known()}")


def text_of(row: Row, *, file: str = "", line: int = 0) -> str:
    """The text of a row for pretraining and deduplication: ``text``, or its parts in reading order, one a line.

    Raises:
        DataError: as ``kind_of``.
    """
    kind = kind_of(row, file=file, line=line)
    return "\n".join(part for part in _PARTS[kind](row) if part)


_FIELDS: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "form": (("form", "text"),),
    "picture": tuple((seen, told) for seen in SEEN for told in TOLD),
    "preference": (("chosen", "rejected"),),
    "messages": (("messages",),),
    "prompt_completion": (("prompt", "completion"),),
    "translation": (("translation",), ("en", "zh")),
    "qa": (("question", "context"),),
    "summary": tuple((name, "summary") for name in DOCUMENTS),
    "text": (("text",),),
}
Fault = tuple[str, str] | None
"""Field and what is wrong with it."""


def _known() -> str:
    return "; ".join(FORMS.values())


def _strings(*names: str) -> Callable[[Row], Fault]:
    """Each of these fields, where present, must be a string."""

    def check(row: Row) -> Fault:
        for name in names:
            if name in row and not isinstance(row[name], str):
                return name, f"wanted a string, got {type(row[name]).__name__}"
        return None

    return check


def _turns(row: Row, *names: str) -> Fault:
    """Each field is a string or, as in conversational data sets, a list of messages."""
    for name in names:
        value = row[name]
        if isinstance(value, str) and name != "messages":
            continue
        if not isinstance(value, list) or not value:
            return name, f"wanted a list of messages, got {type(value).__name__ if value != [] else 'an empty list'}"
        for i, turn in enumerate(value):
            if not isinstance(turn, dict) or not all(isinstance(turn.get(key), str) for key in ("role", "content")):
                return f"{name}[{i}]", "wanted an object with the strings role and content"
    return None


def _translation(row: Row) -> Fault:
    pair = row.get("translation", row)
    if not isinstance(pair, dict):
        return "translation", f"wanted an object with the strings en and zh, got {type(pair).__name__}"
    for name in ("en", "zh"):
        if not isinstance(pair.get(name), str):
            return name, f"wanted a string, got {type(pair.get(name)).__name__ if name in pair else 'nothing'}"
    return None


def _picture(row: Row) -> Fault:
    """A path, bytes, the object {"bytes", "path"} of data sets, or several of them."""
    for name in SEEN:
        for value in row[name] if isinstance(row.get(name), list) else [row.get(name)]:
            if value is not None and not isinstance(value, str | bytes | dict):
                return name, f"wanted the path of a picture, got {type(value).__name__}"
    return _strings("question", *TOLD)(row)


def _qa(row: Row) -> Fault:
    answers = row.get("answers")
    if answers is not None:
        texts = answers.get("text") if isinstance(answers, dict) else None
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            return "answers", 'wanted an object {"text": [strings], "answer_start": [numbers]}'
    return _strings("question", "context")(row)


def _preference(row: Row) -> Fault:
    try:
        preference(row)
    except DataError as error:
        return error.field, error.message.removeprefix(str(DataError("", field=error.field)))
    return None


_CHECKS: dict[Kind, Callable[[Row], Fault]] = {
    "form": _strings("form", "text"),
    "picture": lambda row: _picture(row),
    "preference": _preference,
    "messages": lambda row: _turns(row, "messages"),
    "prompt_completion": lambda row: _turns(row, "prompt", "completion"),
    "translation": _translation,
    "qa": _qa,
    "summary": _strings(*DOCUMENTS, "summary"),
    "text": _strings("text"),
}


def _said(value: str | list[dict[str, str]]) -> list[str]:
    return [value] if isinstance(value, str) else [turn["content"] for turn in value]


def _preferred(row: Row) -> list[str]:
    found = preference(row)
    return [*(words(turn) for turn in found.prompt), found.chosen]


def _document(row: Row) -> str:
    return next(str(row[name]) for name in DOCUMENTS if name in row)


def _pair(row: Row) -> list[str]:
    pair = row.get("translation", row)
    return [pair["en"], pair["zh"]]


_PARTS: dict[Kind, Callable[[Row], list[str]]] = {
    "form": lambda row: [row["text"]],
    "picture": lambda row: [str(row[name]) for name in ("question", *TOLD) if row.get(name)],
    "preference": _preferred,
    "messages": lambda row: _said(row["messages"]),
    "prompt_completion": lambda row: [*_said(row["prompt"]), *_said(row["completion"])],
    "translation": _pair,
    "qa": lambda row: [row["context"], row["question"], *(row.get("answers") or {}).get("text", [])[:1]],
    "summary": lambda row: [_document(row), row["summary"]],
    "text": lambda row: [row["text"]],
}
