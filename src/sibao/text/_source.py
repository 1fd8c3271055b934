"""Bytes of a file, decompressed piece by piece, and lines made of them. Knows nothing of rows."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

CHUNK = 1 << 18
MAX_LINE = 64 << 20
"""Bytes of one row. A longer one is reported, not held: the parser needs several times as much memory."""
_ZSTD_INPUT = 1 << 12
"""zstd can expand its input 32,768 times; small bites keep a hostile file from filling the memory."""


class Fault(Exception):
    """One row cannot be used; the reader goes on with the next."""

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message, self.field, self.hint = message, field, hint


class Broken(Fault):
    """The rest of the file cannot be read. ``line`` is where, 0 when not known yet."""

    def __init__(self, message: str, *, line: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.line = line


def chunks(raw: Iterator[bytes], compression: str) -> Iterator[bytes]:
    """The content of a file, of which ``raw`` are the bytes on disk, without a byte order mark.

    Raises:
        Broken: it cannot be read, is cut off, damaged, or in UTF-16.
    """
    try:
        yield from _without_mark(_PLAIN[compression](raw))
    except OSError as error:
        raise Broken(f"cannot be read: {error.strerror or error}") from error


def raw_stdin() -> Iterator[bytes]:
    """Standard input as it comes."""
    while piece := sys.stdin.buffer.read(CHUNK):
        yield piece


def raw_file(path: Path, on_bytes: Callable[[int], object] | None = None) -> Iterator[bytes]:
    """A file as it lies on disk; ``on_bytes`` is told the size of each piece."""
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            if on_bytes:
                on_bytes(len(piece))
            yield piece


def _without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= 3:
            break
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Broken("the file is UTF-16, wanted UTF-8", line=1, hint="iconv -f UTF-16 -t UTF-8 FILE > NEW")
    yield head.removeprefix(b"\xef\xbb\xbf")
    yield from pieces


def _gunzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Members one after the other, each checked to its end (CRC)."""
    engine, empty = zlib.decompressobj(31), True
    for piece in pieces:
        while piece:
            empty = False
            if engine.eof:
                piece = piece.lstrip(b"\0")  # tape padding is legal after a member
                if not piece:
                    break
                engine = zlib.decompressobj(31)
            try:
                yield engine.decompress(piece, CHUNK)
            except zlib.error as error:
                raise Broken(f"the gzip data is damaged ({error})") from error
            piece = engine.unused_data if engine.eof else engine.unconsumed_tail
    if not empty and not engine.eof:
        yield engine.flush()
        if not engine.eof:
            raise Broken("the gzip data is cut off before its end", hint="copy or download the file again")


def _unzstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Frames one after the other. The stream reader of the package ends quietly in a cut frame, so it is not used."""
    import zstandard

    engine, empty = zstandard.ZstdDecompressor().decompressobj(), True
    for piece in pieces:
        for start in range(0, len(piece), _ZSTD_INPUT):
            part = piece[start : start + _ZSTD_INPUT]
            while part:
                empty = False
                if engine.eof:
                    engine = zstandard.ZstdDecompressor().decompressobj()
                try:
                    yield engine.decompress(part)
                except zstandard.ZstdError as error:
                    raise Broken(f"the zstd data is damaged ({error})") from error
                part = engine.unused_data if engine.eof else b""
    if not empty and not engine.eof:
        raise Broken("the zstd data is cut off before its end", hint="copy or download the file again")


_PLAIN: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {"": iter, ".gz": _gunzip, ".zst": _unzstd}


def lines(pieces: Iterable[bytes], limit: int = MAX_LINE) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines with their newline; None in place of one longer than ``limit`` bytes.

    Raises:
        Broken: with the number of the line that could not be finished.
    """
    number, held, size = 1, list[bytes](), 0
    try:
        for piece in pieces:
            *whole, rest = piece.split(b"\n")
            for part in whole:
                line = b"".join([*held, part, b"\n"]) if size + len(part) <= limit else None
                yield number, line
                number, held, size = number + 1, [], 0
            size += len(rest)
            held = [*held, rest] if size <= limit else []
    except Broken as error:
        error.line = error.line or number
        raise
    if size:
        yield number, b"".join(held) if size <= limit else None


def too_long() -> Fault:
    """The fault of a row that is longer than ``MAX_LINE``."""
    return Fault(f"the row is longer than {MAX_LINE >> 20} MiB", hint="cut the document into several rows")


def decode(raw: bytes) -> str:
    """UTF-8 text of one line.

    Raises:
        Fault: invalid UTF-8; says at which byte, and whether the line would be valid GB18030.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault(f"invalid UTF-8 at byte {error.start} of the line", hint=other_encoding(raw)) from error


def other_encoding(raw: bytes) -> str:
    """What to do about bytes that are no UTF-8."""
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError:
        return "save the file as UTF-8"
    return "if the file is GB18030 or GBK: iconv -f GB18030 -t UTF-8 FILE > NEW"
