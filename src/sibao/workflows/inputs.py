"""Files and standard input as the inputs of a task: text as it stands, or rows of a data file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput, DataError
from sibao.core.types import Row
from sibao.tasks.base import Task, text_field
from sibao.text.media import beside

ROW_FORMATS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")


def read_text(path: str | Path) -> str:
    """The whole text of a file, or of standard input for ``-``; UTF-8, a byte-order mark is left out.

    Raises:
        DataError: no such file, not text, not UTF-8, or empty.
    """
    name = "<stdin>" if str(path) == "-" else str(path)
    data = _bytes(path, name)
    if b"\0" in data[:65536]:
        raise DataError("is not a text file (it holds zero bytes)", file=name, hint="give UTF-8 text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"is not UTF-8 text (byte {error.start})",
            file=name,
            line=line,
            hint=f"try: iconv -f GB18030 -t UTF-8 {name}",
        ) from None
    if not text.strip():
        raise DataError("is empty, wanted a text", file=name)
    return text


def _bytes(path: str | Path, name: str) -> bytes:
    if name == "<stdin>":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError("no such file", file=name, hint="- reads the text from standard input") from None
    except IsADirectoryError:
        raise DataError("is a folder, wanted a file", file=name) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=name) from None


def is_rows(path: str | Path) -> bool:
    """Whether a file holds rows, by its name."""
    name = Path(path).name.lower().removesuffix(".gz").removesuffix(".zst")
    return name.endswith(ROW_FORMATS)


def read_inputs(task: Task[Any], paths: Sequence[str], **values: Any) -> list[Any]:
    """Inputs for a task: one of each text file, one of each row of a data file.

    Args:
        paths: files; ``-`` is standard input, read as one text.
        values: other inputs of the task; they win over those in a row.

    Raises:
        DataError: a file or row that cannot be used: file, line and field.
    """
    return [inputs for path in paths for inputs in _of_file(task, path, values)]


def _of_file(task: Task[Any], path: str, values: dict[str, Any]) -> Iterator[Any]:
    if not is_rows(path):
        yield task.inputs(**{_main_field(task): read_text(path), **values})
        return
    from sibao.text.readers import read_numbered

    for line, row in read_numbered(path):
        try:
            yield _of_row(task, beside(row, path), values)
        except DataError as error:
            message = error.message.removeprefix(str(DataError("", field=error.field)))
            raise DataError(message, file=path, line=line, field=error.field, hint=error.hint) from None


def _main_field(task: Task[Any]) -> str:
    return task.document or task.main


def _of_row(task: Task[Any], row: Row, values: dict[str, Any]) -> Any:
    """A published row, or one whose ``text`` is what to work on."""
    given = {name: value for name, value in values.items() if value}
    published = {"translate": ("translation",), "generate": ("prompt", "messages"), "answer": ("question",)}
    if task.name == "answer" and "question" in given:
        return task.inputs(context=text_field(row, "context", "document", "text"), **given)
    if task.name in published and not any(name in row for name in published[task.name]):
        return task.inputs(**{_main_field(task): text_field(row, "text", *published[task.name])}, **given)
    if task.name == "translate":
        given.pop("source", None)  # the row says which side is which
    return task.read(row, **given)[0]


def one_source(texts: Sequence[str], files: Sequence[str]) -> list[str]:
    """Texts given on the command line, ``-`` among them read from standard input.

    Raises:
        BadInput: nothing was given at all, standard input twice, or bytes that are not UTF-8.
    """
    if not texts and not files:
        raise BadInput("no text was given", hint="write it after the command, use - for standard input, or --file FILE")
    if [*texts, *files].count("-") > 1:
        raise BadInput("standard input (-) can be read only once")
    for text in texts:
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            raise BadInput(f"the text {text[:40]!r} is not UTF-8", hint="put it in a file and convert it with iconv")
    return [read_text("-") if text == "-" else text for text in texts]
