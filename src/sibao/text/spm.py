"""SentencePiece files (arXiv 1808.06226) read without the package: a protocol-buffer message of pieces with scores.

Only what a Unigram tokenizer needs is taken; the wire format is that of protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sibao.core.errors import ModelError
from sibao.core.paths import model_file

MAX_FILE = 64 * 2**20
"""A file above this size is refused: real ones have at most a few megabytes."""
UNIGRAM, CONTROL, USER_DEFINED = 1, 3, 4
"""The model type, and the types of pieces that no text gives, and that stand for themselves."""


@dataclass(frozen=True)
class Pieces:
    """``scores`` are log-probabilities; ``types`` as above; ``charsmap`` is the compiled normalisation (may be empty)."""

    names: list[str]
    scores: list[float]
    types: list[int]
    charsmap: bytes
    unknown: int


def read_pieces(path: Path) -> Pieces:
    """The pieces of a Unigram model.

    Raises:
        ModelError: the file is no SentencePiece model, is damaged or too large, or is of another type (BPE).
    """
    data = model_file(path, MAX_FILE).read_bytes()
    names, scores, types = [], [], []
    charsmap, unknown, kind = b"", 0, UNIGRAM
    try:
        for number, value in _fields(data):
            if number == 1:
                piece = dict(_fields(_bytes(value)))
                names.append(_bytes(piece[1]).decode("utf-8"))
                scores.append(struct.unpack("<f", _bytes(piece[2]))[0] if 2 in piece else 0.0)
                types.append(_number(piece.get(3, 1)))
            elif number == 2:
                trainer = dict(_fields(_bytes(value)))
                kind, unknown = _number(trainer.get(3, UNIGRAM)), _number(trainer.get(40, 0))
            elif number == 3:
                charsmap = _bytes(dict(_fields(_bytes(value))).get(2, b""))
    except (IndexError, KeyError, TypeError, UnicodeDecodeError, struct.error) as error:
        raise ModelError(
            f"{path} is no SentencePiece model: {error!r}", hint="the file is damaged; copy it again"
        ) from None
    if not names or not 0 <= unknown < len(names):
        raise ModelError(f"{path} is no SentencePiece model: it holds {len(names)} pieces")
    if kind != UNIGRAM:
        raise ModelError(
            f"{path} is a SentencePiece model of type {kind}; supported: unigram", hint="save tokenizer.json"
        )
    return Pieces(names, scores, types, charsmap, unknown)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a message: whole numbers, or the bytes of anything else."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise TypeError(f"wire type {kind}")
        if at + size > len(data):
            raise IndexError(f"a field of {size} bytes at {at} goes beyond the end")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A whole number in groups of seven bits, least first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise TypeError("a number of more than 64 bits")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where a message should be")
    return value


def _number(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise TypeError("bytes where a number should be")
    return value
