"""What was found in a set of data files, as JSON and for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sibao.text.language import HAN, detect
from sibao.text.rows import BadRow

if TYPE_CHECKING:
    from rich.console import RenderableType

MAX_BAD = 100
"""Bad rows kept with their place; all are counted."""
_KNOWN = re.compile(f"[A-Za-zÀ-ɏ{HAN}]")
LANGUAGES = ("zh", "en", "other")
TextLanguage = Literal["zh", "en", "other"]


class Encoder(Protocol):
    """The one thing that is asked of a tokenizer here."""

    def encode(self, text: str) -> list[int]:
        """Token ids."""
        ...


@dataclass
class Amount:
    """Documents with their characters, bytes of UTF-8 and tokens (0 where no tokenizer was given)."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0
    tokens: int = 0

    def add(self, other: Amount) -> None:
        """Add another amount to this one."""
        self.documents += other.documents
        self.characters += other.characters
        self.bytes += other.bytes
        self.tokens += other.tokens


@dataclass
class DataReport:
    """Counts over data files. ``rows`` were read, ``documents`` of them kept; ``languages`` and ``kinds`` are of these.

    ``rows + bad_rows`` is all that the files hold. After ``prepare``, ``rows`` is ``documents`` plus everything dropped
    and removed; ``inspect`` removes nothing, it only counts duplicates.
    ``beyond_window`` rows came after the deduplicator had begun to forget (see ``text.dedup``).
    """

    files: list[str] = field(default_factory=list)
    output: str = ""
    rows: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    languages: dict[str, Amount] = field(default_factory=dict)
    counted_tokens: bool = False
    exact_duplicates: int = 0
    near_duplicates: int = 0
    beyond_window: int = 0
    duplicate_pairs: list[tuple[int, int, float]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    bad_rows: int = 0
    bad: list[BadRow] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def total(self) -> Amount:
        """All languages together."""
        amount = Amount()
        for part in self.languages.values():
            amount.add(part)
        return amount

    @property
    def documents(self) -> int:
        """Rows kept."""
        return self.total.documents

    def add(self, kind: str, language: str, amount: Amount) -> None:
        """Count one kept row."""
        self.kinds[kind] += 1
        self.languages.setdefault(language, Amount()).add(amount)

    def add_bad(self, bad: BadRow) -> None:
        """Count one bad row; the first ``MAX_BAD`` are kept."""
        self.bad_rows += 1
        if len(self.bad) < MAX_BAD:
            self.bad.append(bad)

    def to_json(self) -> dict[str, Any]:
        """The report object of the JSON contract."""
        return {
            "files": self.files,
            "output": self.output or None,
            "rows": self.rows,
            "kinds": dict(sorted(self.kinds.items())),
            **self._amount(self.total),
            "languages": {name: self._amount(self.languages[name]) for name in LANGUAGES if name in self.languages},
            "duplicates": {
                "exact": self.exact_duplicates, "near": self.near_duplicates,
                "beyond_window": self.beyond_window, "pairs": [list(pair) for pair in self.duplicate_pairs],
            },
            "dropped": dict(sorted(self.dropped.items())),
            "bad_rows": self.bad_rows,
            "bad": [bad.to_json() for bad in self.bad],
            "seconds": round(self.seconds, 3),
        }  # fmt: skip

    def _amount(self, amount: Amount) -> dict[str, Any]:
        found: dict[str, Any] = {
            "documents": amount.documents, "characters": amount.characters, "bytes": amount.bytes,
            "tokens": None, "tokens_per_character": None,
        }  # fmt: skip
        if self.counted_tokens:
            found["tokens"] = amount.tokens
            found["tokens_per_character"] = round(amount.tokens / amount.characters, 4) if amount.characters else None
        return found

    def render(self) -> RenderableType:
        """The report for a terminal (a rich renderable)."""
        from rich.console import Group
        from rich.text import Text

        return Group(self._table(), *(Text(line) for line in self._remarks()))

    def _table(self) -> RenderableType:
        from rich.table import Table

        table = Table("language", title=f"{len(self.files)} file{'s' * (len(self.files) != 1)}", title_justify="left")
        for name in ("documents", "characters", "bytes", *(["tokens", "tokens/char"] if self.counted_tokens else [])):
            table.add_column(name, justify="right")
        parts = [(name, self.languages[name]) for name in LANGUAGES if name in self.languages]
        for name, amount in [*parts, ("all", self.total)]:
            cells = [amount.documents, amount.characters, amount.bytes, *([amount.tokens] * self.counted_tokens)]
            per = [f"{amount.tokens / max(amount.characters, 1):.3f}"] if self.counted_tokens else []
            table.add_row(name, *(f"{cell:,}" for cell in cells), *per)
        return table

    def _remarks(self) -> Iterable[str]:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.kinds.items())
        yield f"rows read: {self.rows:,} (kept: {kinds or 'none'})"
        if self.exact_duplicates or self.near_duplicates:
            what = "duplicates removed" if self.output else "duplicates found"
            yield f"{what}: {self.exact_duplicates:,} exact, {self.near_duplicates:,} near"
        if self.beyond_window:
            yield f"{self.beyond_window:,} rows were compared with the most recent ones only (option window)"
        for reason, count in self.dropped.most_common():
            yield f"dropped, {reason}: {count:,}"
        if self.bad_rows:
            yield f"bad rows: {self.bad_rows:,}"
        for bad in self.bad[:10]:
            yield f"  {bad.error()}"
        if self.bad_rows > 10:
            yield f"  … and {self.bad_rows - 10:,} more"
        if self.output:
            yield f"written: {self.output}"


def language_of(text: str) -> TextLanguage:
    """``zh`` or ``en``; ``other`` when fewer than half of the letters are Han or Latin."""
    head = text[:4096]
    known = len(_KNOWN.findall(head))
    return detect(head) if known and 2 * known >= sum(map(str.isalpha, head)) else "other"


def measure(text: str, tokenizer: Encoder | None = None) -> Amount:
    """One document's amount."""
    tokens = len(tokenizer.encode(text)) if tokenizer else 0
    return Amount(1, len(text), len(text.encode("utf-8", "surrogatepass")), tokens)
