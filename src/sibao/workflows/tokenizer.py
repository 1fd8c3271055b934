"""``sibao tokenizer``: train one on files, and look at how one cuts a text.

report = train(["poems.txt"], Path("tokenizer"), vocab_size=8000)
print(report.languages["zh"].tokens / report.languages["zh"].characters)
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sibao.core.errors import BadInput
from sibao.text.readers import expand, read_numbered
from sibao.text.report import Amount, language_of, measure
from sibao.text.rows import text_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sibao.text.tokenizer import Tokenizer

MEASURED = 20_000_000
"""Characters that are encoded for the report; more would tell nothing new."""


@dataclass
class TokenizerReport:
    """A trained tokenizer. ``languages`` measure it on the text it was trained on (the first ``MEASURED`` characters),
    so that the figures are a little better than on other text."""

    folder: str
    vocab_size: int
    documents: int
    seconds: float = 0.0
    languages: dict[str, Amount] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The tokenizer object of the JSON contract."""
        languages = {
            name: {
                "documents": amount.documents, "characters": amount.characters, "bytes": amount.bytes,
                "tokens": amount.tokens, "tokens_per_character": round(amount.tokens / amount.characters, 4),
            }
            for name, amount in self.languages.items() if amount.characters
        }  # fmt: skip
        head = {"folder": self.folder, "vocab_size": self.vocab_size, "documents": self.documents}
        return {**head, "seconds": round(self.seconds, 3), "languages": languages}

    def render(self) -> RenderableType:
        """For a terminal."""
        from rich.table import Table

        title = f"{self.folder}: {self.vocab_size:,} tokens from {self.documents:,} documents"
        table = Table("language", title=title, title_justify="left")
        for name in ("characters", "tokens", "tokens/char", "bytes/token"):
            table.add_column(name, justify="right")
        for name, a in self.languages.items():
            ratios = f"{a.tokens / max(a.characters, 1):.3f}", f"{a.bytes / max(a.tokens, 1):.2f}"
            table.add_row(name, f"{a.characters:,}", f"{a.tokens:,}", *ratios)
        return table


@dataclass(frozen=True)
class Token:
    """One token of a text: its id, its name in the vocabulary, and its text (U+FFFD where it is half a character)."""

    id: int
    token: str
    text: str


@dataclass(frozen=True)
class Inspection:
    """How a tokenizer cuts a text; ``exact`` says whether the tokens give the text back."""

    text: str
    tokens: list[Token]
    exact: bool

    def to_json(self) -> dict[str, Any]:
        """The inspection object of the JSON contract."""
        tokens = [{"id": token.id, "token": token.token, "text": token.text} for token in self.tokens]
        counts = {"characters": len(self.text), "count": len(self.tokens)}
        return {**counts, "tokens_per_character": self.per_character, "exact": self.exact, "tokens": tokens}

    @property
    def per_character(self) -> float:
        """Tokens for one character."""
        return round(len(self.tokens) / len(self.text), 4)

    def render(self) -> RenderableType:
        """For a terminal."""
        from rich.table import Table

        title = f"{len(self.text)} characters, {len(self.tokens)} tokens: {self.per_character:.3f} for a character"
        table = Table("id", "token", "text", title=title, title_justify="left")
        for token in self.tokens:
            table.add_row(str(token.id), token.token, repr(token.text)[1:-1])
        return table


def train(
    paths: Sequence[str], out: Path | str, *, vocab_size: int = 8000, min_frequency: int = 2, quiet: bool = False
) -> TokenizerReport:
    """Train a byte-level BPE on the texts of data files and write its folder.

    Args:
        paths: files, folders or patterns in any form that Sibao reads.
        out: folder that gets ``tokenizer.json`` and ``tokenizer_config.json``; it may not hold a tokenizer yet.
        vocab_size: entries in all, at least 300; a small corpus may give fewer.
        min_frequency: how often a pair must stand in the text to become a token.

    Raises:
        BadInput: no text, a vocabulary that is too small, or a folder that holds a tokenizer already.
        DataError: a row that cannot be read.
    """
    from sibao.text.tokenizer import train_bpe

    begun, out, files = time.perf_counter(), Path(out), expand(list(paths))
    if (out / "tokenizer.json").exists():
        raise BadInput(f"{out} holds a tokenizer already", hint="name another folder, or remove it first")
    if any(str(file) == "-" for file in files):
        raise BadInput("a tokenizer is trained in two passes, standard input can be read only once", hint="name files")
    documents = 0

    def counted() -> Iterator[str]:
        nonlocal documents
        for text in _texts(files):
            documents += 1
            yield text

    tokenizer = train_bpe(counted(), vocab_size, min_frequency=min_frequency, progress=not quiet)
    tokenizer.save(out)
    report = TokenizerReport(str(out), tokenizer.vocab_size, documents, languages=_measure(files, tokenizer))
    report.seconds = time.perf_counter() - begun
    return report


def inspect(name: str, text: str) -> Inspection:
    """How the tokenizer of a model (its name, or any folder with a ``tokenizer.json``) cuts a text.

    Raises:
        BadInput: an empty text. ModelError: no such tokenizer.
    """
    if not text:
        raise BadInput("no text was given")
    tokenizer = load_tokenizer(name)
    ids = tokenizer.encode(text)
    tokens = [Token(i, tokenizer.backend.id_to_token(i) or "", tokenizer.decode([i], skip_special=False)) for i in ids]
    return Inspection(text, tokens, tokenizer.decode(ids, skip_special=False) == text)


def load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer of a model name, or of a folder that holds nothing else.

    Raises:
        BadInput, ModelError: no such model or tokenizer.
    """
    from sibao.models.names import resolve
    from sibao.text.tokenizer import Tokenizer

    folder = Path(name).expanduser()
    return Tokenizer.load(folder if (folder / "tokenizer.json").is_file() else resolve(name).folder)


def _texts(files: Sequence[Path]) -> Iterator[str]:
    for file in files:
        for line, row in read_numbered(file):
            yield text_of(row, file=str(file), line=line)


def _measure(files: Sequence[Path], tokenizer: Tokenizer) -> dict[str, Amount]:
    amounts: dict[str, Amount] = {}
    characters = 0
    for text in _texts(files):
        amounts.setdefault(language_of(text), Amount()).add(measure(text, tokenizer))
        characters += len(text)
        if characters >= MEASURED:
            break
    return amounts
