"""Tokenizers made to take all memory are refused: files too large or not plain, and rules that make a text grow without end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from sibao.core.errors import ModelError
from sibao.core.paths import model_file

MAX_FILE = 64 * 2**20
"""Bytes of a tokenizer's file at most; the largest published ones have about 35 million."""
MAX_GROWTH = 64
"""Times that all replacements of a tokenizer together may lengthen a text; published ones reach 3."""
_FILES = (
    "tokenizer.json", "tokenizer_config.json", "generation_config.json", "special_tokens_map.json", "added_tokens.json",
    "chat_template.jinja", "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tokenizer.model",
    "sentencepiece.bpe.model", "source.spm", "target.spm",
)  # fmt: skip


def check_files(folder: Path) -> None:
    """Refuse files of a tokenizer that are links out of the folder, pipes, or larger than any real one.

    Raises:
        ModelError: names the file.
    """
    for name in _FILES:
        if os.path.lexists(folder / name):
            try:
                model_file(folder / name, MAX_FILE)
            except FileNotFoundError:
                raise ModelError(f"{folder / name} is a link to nothing", hint="copy the folder again") from None


def tame(backend: Backend, folder: Path) -> Backend:
    """A tokenizer that neither pads nor cuts (a length for that stands in its file, and may be anything), and whose rules do
    not lengthen a text much.

    Raises:
        ModelError: its replacements, one after the other, make a text more than ``MAX_GROWTH`` times as long.
    """
    backend.no_padding()
    backend.no_truncation()
    for part in (backend.normalizer, backend.pre_tokenizer, backend.decoder):
        growth = 1.0
        for pattern, content in _replacements(json.loads(part.__getstate__()) if part is not None else None):
            growth *= max(1.0, len(content) / max(1, len(pattern)))
            if growth > MAX_GROWTH:
                raise ModelError(
                    f"{folder}: the tokenizer's replacements make a text more than {MAX_GROWTH} times as long",
                    hint="the file is damaged, or made to take all memory",
                )
    return backend


def _replacements(rule: Any) -> Iterator[tuple[str, str]]:
    """What is replaced and by what, of all rules inside one another. A regular expression may match a single sign."""
    if isinstance(rule, dict):
        if rule.get("type") == "Replace":
            pattern = rule.get("pattern", {})
            yield pattern.get("String", "?"), str(rule.get("content", ""))
        elif rule.get("type") == "Prepend":
            yield "?", str(rule.get("prepend", ""))
        for value in rule.values():
            yield from _replacements(value)
    elif isinstance(rule, list):
        for value in rule:
            yield from _replacements(value)


def refuse_larger(backend: Backend, entries: int, folder: Path) -> None:
    """Refuse a tokenizer with ids that the model has no embedding for.

    Raises:
        ModelError: gives both numbers.
    """
    largest = max(backend.get_vocab(with_added_tokens=True).values(), default=-1)
    if largest >= entries:
        raise ModelError(
            f"{folder}: the tokenizer's ids go up to {largest}, the model has embeddings for 0 to {entries - 1}",
            hint="tokenizer and weights do not belong together; copy both from one place",
        )
