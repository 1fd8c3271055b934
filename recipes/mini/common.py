"""What every part of the data recipe shares: readers, light cleaning, fixed hashes, cutting and the held-out set."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

Row = dict[str, Any]

# Control characters other than tab and newline, byte-order marks, zero-width spaces and soft hyphens.
_JUNK = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\ufeff\ufffe\uffff]")


@dataclass(frozen=True)
class Doc:
    """One pretraining document. `cut` is (text, first character, end) where it is a span of a longer text."""

    text: str
    source: str
    lang: str
    cut: tuple[str, int, int] | None = None

    def row(self) -> Row:
        return {"text": self.text, "source": self.source, "lang": self.lang}


@dataclass
class Held:
    """Texts that only measure: exact strings of every test and validation file."""

    texts: set[str] = field(default_factory=set)

    def add(self, *texts: str) -> None:
        self.texts.update(clean(t).strip() for t in texts)

    def __contains__(self, text: object) -> bool:
        return str(text).strip() in self.texts


def clean(text: str) -> str:
    """NFC, newlines as \\n, no control characters."""
    return _JUNK.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")))


def fraction(key: str) -> float:
    """A number in [0, 1) that depends on the key alone (first 32 bits of its SHA-256)."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32


def part(key: str, train: float = 0.8, valid: float = 0.1) -> str:
    """`train`, `valid` or `test`, by the fixed hash of a document or article name."""
    place = fraction(unicodedata.normalize("NFC", key))
    return "train" if place < train else "valid" if place < train + valid else "test"


def size(text: str) -> int:
    return len(text.encode())


def read_text(path: Path) -> str:
    if path.suffix == ".zst":
        reader = zstandard.ZstdDecompressor(max_window_size=2**25).stream_reader(path.open("rb"))
        return io.TextIOWrapper(reader, encoding="utf-8").read()
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text(encoding="utf-8")


def read_rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in read_text(path).split("\n") if line.strip()]


def write_rows(path: Path, rows: Iterable[Row]) -> tuple[int, int]:
    """Write JSON lines aside, then rename; returns rows and bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside, count = path.with_name(path.name + ".part"), 0
    with aside.open("w", encoding="utf-8") as out:
        for count, row in enumerate(rows, 1):  # noqa: B007
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    aside.replace(path)
    return count, path.stat().st_size


def pieces(text: str, rng: random.Random, low: int = 6000, high: int = 20000) -> Iterator[tuple[int, int]]:
    """Borders (in characters) of contiguous pieces of about `low` to `high` bytes that end where a paragraph ends."""
    left, start, held, position = size(text), 0, 0, 0
    wanted = rng.uniform(low, high)
    for paragraph in paragraphs(text, high):
        held, left, position = held + size(paragraph), left - size(paragraph), position + len(paragraph)
        if held >= wanted and left > low // 4:  # a short rest stays with the last piece
            yield start, position
            start, held, wanted = position, 0, rng.uniform(low, high)
    if start < position:
        yield start, position


def paragraphs(text: str, limit: int) -> Iterator[str]:
    """Lines with their ends; a line of more than `limit` bytes comes sentence by sentence."""
    for line in text.split("\n"):
        whole = line + "\n"
        yield from re.findall(r".*?[.!?。！？](?:\s+|$)|.+", whole, re.S) if size(whole) > limit else (whole,)


def spans(name: str, text: str, source: str, lang: str, rng: random.Random) -> list[Doc]:
    text = clean(text)
    return [Doc(text[a:b].strip(), source, lang, (name, a, b)) for a, b in pieces(text, rng)]


def take(docs: Iterable[Doc], budget: float, rng: random.Random) -> list[Doc]:
    """Documents in random order until `budget` bytes are filled; an empty budget takes none, infinity takes all."""
    pool = [doc for doc in docs if len(doc.text) >= 30]
    rng.shuffle(pool)
    chosen, used = [], 0
    for doc in pool:
        if used >= budget:
            break
        chosen.append(doc)
        used += size(doc.text)
    return chosen


def sentences(text: str, lang: str) -> list[str]:
    """Sentences with their closing marks (and, in English, the blank behind them)."""
    if lang == "zh":
        return re.findall(r"[^。！？\n]*[。！？]+[”’」』）]*", text)
    return re.findall(r"\S.*?[.!?][\"”’']?(?:\s+(?=[\"“‘'A-Z])|$)", text, re.S)
