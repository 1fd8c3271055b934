"""Documents of .txt files, which have no published form. This is ours:

- a line that holds only ``<|endoftext|>`` or a form feed ends a document;
- a file with no such line in its first 4 MiB is taken as one long text and streamed in blocks of at most 64 KiB,
  each cut at its last blank line (at its last line end where it has none, inside a line where it has neither);
- blank lines around a document are not part of it, CRLF becomes LF, nothing else is changed.

A document between separators is cut, by the same rule, only beyond 64 MiB.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterable, Iterator

from sibao.core.types import Row
from sibao.text._source import MAX_LINE, Broken, Fault, other_encoding

Found = tuple[int, Row | Fault]
BLOCK = 64 << 10
SNIFF = 4 << 20
SEPARATORS = ("<|endoftext|>", "\f")
_PIECE = BLOCK // 4  # characters; UTF-8 needs at most four bytes for one
_SEPARATOR = re.compile(rb"(?:^|\n)(?:<\|endoftext\|>|\f)[ \t]*(?:\r?\n|\Z)")
_INVALID = re.compile("[\udc80-\udcff]")


def read_txt(pieces: Iterable[bytes]) -> Iterator[Found]:
    """Documents with the line they start on; one with invalid UTF-8 is a fault as a whole."""
    pieces = iter(pieces)
    head = bytearray()
    damage: Broken | None = None
    try:
        while len(head) < SNIFF and (piece := next(pieces, None)) is not None:
            head += piece
    except Broken as error:  # what came before the damage is still good
        damage = error
    limit = MAX_LINE if _SEPARATOR.search(head) else BLOCK
    blocks = _Blocks(limit)
    for text in _lines(_then(itertools.chain([bytes(head)], pieces), damage)):
        if isinstance(text, Broken):
            text.line = text.line or blocks.line
            raise text
        yield from blocks.add(text)
    yield from blocks.flush()


def _then(pieces: Iterator[bytes], damage: Broken | None) -> Iterator[bytes | Broken]:
    """The pieces, then the damage as an item: the lines before it are handed out first."""
    try:
        yield from pieces
    except Broken as error:
        damage = error
    if damage:
        yield damage


def _lines(pieces: Iterator[bytes | Broken]) -> Iterator[str | Broken]:
    """Lines with their end; a very long one in several pieces. An invalid byte becomes a lone surrogate."""
    utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    held = ""
    for piece in pieces:
        if isinstance(piece, Broken):
            yield piece
            return
        held += utf8.decode(piece)
        *whole, held = held.split("\n")
        for line in whole:
            yield from _cut(line + "\n")
        *full, held = list(_cut(held)) or [""]
        yield from full
    yield from _cut(held + utf8.decode(b"", final=True))


def _cut(line: str) -> Iterator[str]:
    return (line[start : start + _PIECE] for start in range(0, len(line), _PIECE))


class _Blocks:
    """The lines of the document at hand, and where it may be cut."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held: list[str] = []
        self.size, self.cut = 0, 0
        self.start, self.line = 1, 1
        self.whole = True  # the last piece ended its line

    def add(self, text: str) -> Iterator[Found]:
        """Take one more line."""
        bare = text.strip(" \t\r\n")
        if self.whole and bare in SEPARATORS and text.endswith("\n"):
            yield from self.flush()
            self.line += 1
            self.start = self.line
            return
        size = len(text.encode("utf-8", "surrogateescape"))
        if self.size + size > self.limit:
            yield from self._emit(self.cut or len(self.held))
            if self.size + size > self.limit:
                yield from self._emit(len(self.held))
        self.held.append(text)
        self.size += size
        if not bare and self.whole:
            self.cut = len(self.held)
        self.whole = text.endswith("\n")
        self.line += self.whole

    def flush(self) -> Iterator[Found]:
        """Everything that is left is one document."""
        if self.held and self.whole is False and self.held[-1].strip(" \t\r\n") in SEPARATORS:
            self.held.pop()
        yield from self._emit(len(self.held))

    def _emit(self, count: int) -> Iterator[Found]:
        block, self.held = self.held[:count], self.held[count:]
        self.size = sum(len(line.encode("utf-8", "surrogateescape")) for line in self.held)
        self.cut = 0
        text = "".join(block)
        start, self.start = self.start, self.start + text.count("\n")
        if text.strip():
            blank = next(i for i, line in enumerate(block) if line.strip())
            yield start + blank, _document(text)


def _document(text: str) -> Row | Fault:
    bad = _INVALID.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        hint = other_encoding(text.encode("utf-8", "surrogateescape"))
        return Fault(f"invalid UTF-8 in line {line} of the document", hint=hint)
    lines = text.replace("\r\n", "\n").split("\n")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    return {"text": "\n".join(lines[filled[0] : filled[-1] + 1])}
