"""Rows of .jsonl and .json files. Both are parsed piece by piece: only the size of the longest row matters."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from sibao.core.types import Row
from sibao.text._source import MAX_LINE, Broken, Fault, decode, lines, too_long
from sibao.text._squad import flatten, is_article

Found = tuple[int, Row | Fault]
_SPACE = re.compile(r"[ \t\r\n]*")
# Escaped backslashes and whole pairs are stepped over; what group 1 then finds is half of a pair.
_HALF = re.compile(r"\\\\|\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|(\\u[dD][89a-fA-F]\w\w)")
_TAIL = 16  # characters at the end of a buffer in which a number, a literal or an escape may be unfinished


def read_jsonl(pieces: Iterable[bytes]) -> Iterator[Found]:
    """One object a line; empty lines are passed over."""
    parser = Parser()
    for number, raw in lines(pieces):
        if raw is None:
            yield number, too_long()
        elif raw.strip():
            try:
                yield number, parser.row(decode(raw))
            except Fault as fault:
                yield number, fault


def read_json(pieces: Iterable[bytes]) -> Iterator[Found]:
    """An array of rows, ``{"data": [rows]}``, SQuAD JSON, or objects one after the other (JSON lines under this name).

    Raises:
        Broken: the text is not JSON; there is no safe place to go on from.
    """
    stream = _Stream(pieces)
    while head := stream.peek():
        if head == "[":
            yield from _array(stream)
        elif head == "{":
            yield from _object(stream)
        else:
            raise stream.broken("an array or object")


class Parser:
    """JSON as RFC 8259 has it: no NaN or Infinity, no number beyond a double, no key twice, no half surrogate."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._decoder = json.JSONDecoder(
            parse_constant=self._constant, parse_float=self._float, object_pairs_hook=self._object
        )

    def row(self, text: str) -> Row:
        """One whole line."""
        try:
            start = _SPACE.match(text).end()  # type: ignore[union-attr]  # matches the empty string too
            value, end = self.prefix(text, start)
        except json.JSONDecodeError as error:
            raise Fault(f"invalid JSON at character {error.pos + 1}: {error.msg}") from error
        if text[end:].strip(" \t\r\n"):
            raise Fault(f"invalid JSON at character {end + 1}: more text after the end of the value")
        self.check(text)
        return as_row(value)

    def prefix(self, text: str, start: int) -> tuple[Any, int]:
        """The value at ``start`` and where it ends; what is wrong inside it is kept for ``check``."""
        self.faults.clear()
        try:
            return self._decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            raise
        except ValueError as error:  # an integer of thousands of digits
            raise Fault(f"invalid JSON: {error}") from error
        except RecursionError as error:
            raise Fault("the JSON is nested too deeply") from error

    def check(self, text: str) -> None:
        """Raise the first fault of the value just read from ``text``."""
        if self.faults:
            raise self.faults[0]
        if "\\u" in text and any(found.group(1) for found in _HALF.finditer(text)):
            raise Fault("a \\u escape is half of a surrogate pair, which is no character")

    def _constant(self, name: str) -> None:
        self.faults.append(Fault(f"{name} is not JSON", hint="use null, or leave the field out"))

    def _float(self, digits: str) -> float:
        value = float(digits)
        if value in (float("inf"), float("-inf")):
            self.faults.append(Fault(f"the number {digits[:20]} does not fit a double"))
        return value

    def _object(self, pairs: list[tuple[str, Any]]) -> Row:
        row = dict(pairs)
        if len(row) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            self.faults.append(Fault("the key is there twice", field=twice))
        return row


def as_row(value: Any) -> Row:
    """The value, if it is an object."""
    if not isinstance(value, dict):
        raise Fault(f"wanted an object, got {_NAMES.get(type(value), 'null')}")
    return value


_NAMES = {list: "an array", str: "a string", int: "a number", float: "a number", bool: "true or false"}


class _Stream:
    """The unread text, the place in it, and the line of that place."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = iter(pieces)
        self.utf8 = codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self.line, self.ended = "", 0, 1, False
        self.parser = Parser()

    def more(self) -> None:
        """Read on, at least as much again as is held: parsing a long value anew each time stays linear."""
        held = self.text[self.at :]
        new, size = [held], 0
        while size <= len(held) and not self.ended:
            try:
                piece = next(self.pieces, None)
                new.append(self.utf8.decode(piece or b"", final=piece is None))
            except UnicodeDecodeError as error:
                before = "".join(new).count("\n") + error.object[: error.start].count(b"\n")
                raise Broken("invalid UTF-8", line=self.line + before) from error
            except Broken as error:
                error.line = error.line or self.line + "".join(new).count("\n")
                raise
            self.ended = piece is None
            size += len(new[-1])
        self.text, self.at = "".join(new), 0

    def move(self, end: int) -> None:
        self.line += self.text.count("\n", self.at, end)
        self.at = end

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            self.move(_SPACE.match(self.text, self.at).end())  # type: ignore[union-attr]
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()

    def take(self, wanted: str) -> str:
        """Step over one of these characters."""
        got = self.peek()
        if not got or got not in wanted:
            raise self.broken(" or ".join(wanted))
        self.move(self.at + 1)
        return got

    def broken(self, wanted: str) -> Broken:
        got = repr(self.text[self.at : self.at + 20]) if self.peek() else "the end of the file"
        return Broken(f"invalid JSON: wanted {wanted}, got {got}", line=self.line)

    def value(self) -> Any:
        """The next value. A Fault leaves the place behind it, Broken does not."""
        self.peek()
        while True:
            try:
                value, end = self.parser.prefix(self.text, self.at)
                if end < len(self.text) or self.ended:
                    break
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - _TAIL
                if self.ended or not unfinished:
                    where = self.line + self.text.count("\n", self.at, error.pos)
                    raise Broken(f"invalid JSON: {error.msg}", line=where) from error
            except Fault as fault:
                raise Broken(fault.message, line=self.line) from fault
            if len(self.text) - self.at > MAX_LINE:
                raise Broken(f"a value is longer than {MAX_LINE >> 20} Mi characters", line=self.line)
            self.more()
        text = self.text[self.at : end]
        self.move(end)
        self.parser.check(text)
        return value


def _array(stream: _Stream) -> Iterator[Found]:
    stream.take("[")
    if stream.peek() == "]":
        stream.take("]")
        return
    while True:
        stream.peek()
        line = stream.line
        try:
            row = as_row(stream.value())
            for found in flatten(row) if is_article(row) else [row]:
                yield line, found
        except Broken:
            raise
        except Fault as fault:
            yield line, fault
        if stream.take(",]") == "]":
            return


def _object(stream: _Stream) -> Iterator[Found]:
    """A row, or the envelope of an array named ``data`` (its other keys, such as ``version``, are not rows)."""
    stream.peek()
    line, row, envelope = stream.line, Row(), False
    faults: list[Fault] = []
    end = stream.take("{")
    if stream.peek() == "}":
        end = stream.take("}")
    while end != "}":
        try:
            if stream.peek() != '"':
                raise stream.broken("a key")
            key = stream.value()
            stream.take(":")
            if key in row:
                faults.append(Fault("the key is there twice", field=key))
            if key == "data" and stream.peek() == "[":
                envelope = True
                yield from _array(stream)
            else:
                row[key] = stream.value()
        except Broken:
            raise
        except Fault as fault:
            faults.append(fault)
        end = stream.take(",}")
    if faults:
        yield line, faults[0]
    elif not envelope:
        yield line, row
