"""Token files: documents as one long array on disk, memory-mapped, with their borders.

A folder holds ``tokens.bin`` (uint16, or uint32 for a large vocabulary), ``starts.bin`` (uint64, one more than there are
documents), for fine-tuning ``mask.bin`` (uint8, 1 where a token carries loss), and ``meta.json``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from sibao.core.errors import BadInput, DataError
from sibao.core.paths import fsync_dir, write_text
from sibao.text.tokenizer import Tokenizer

BATCH = 2048
Example = tuple[list[int], list[int] | None]
"""Token ids of a document and, for fine-tuning, which of them carry loss."""


@dataclass(frozen=True)
class PackMeta:
    """What a token folder holds. ``characters`` and ``bytes`` are of the text; ``tokenizer`` is a hash of the vocabulary."""

    documents: int
    tokens: int
    target_tokens: int
    characters: int
    bytes: int
    vocab_size: int
    dtype: str
    tokenizer: str


class TokenFile:
    """A token folder opened for reading; only the borders are held in memory.

    Raises:
        DataError: there is none, or its files are damaged.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        path = self.folder / "meta.json"
        if not path.is_file():
            raise DataError(
                "no meta.json", file=str(self.folder), hint="make token files with sibao pretrain or sibao data"
            )
        try:
            self.meta = PackMeta(**json.loads(path.read_text()))
            self.tokens = np.memmap(self.folder / "tokens.bin", dtype=self.meta.dtype, mode="r")
            self.starts = np.fromfile(self.folder / "starts.bin", dtype=np.uint64).astype(np.int64)
            mask = self.folder / "mask.bin"
            self.mask = np.memmap(mask, dtype=np.uint8, mode="r") if mask.is_file() else None
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"cannot be read: {error}", file=str(self.folder), hint="make them again") from None
        masked = self.mask is None or len(self.mask) == self.meta.tokens
        if len(self.tokens) != self.meta.tokens or len(self.starts) != self.meta.documents + 1 or not masked:
            raise DataError("the files do not agree with meta.json", file=str(self.folder), hint="make them again")

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each document, int64 [documents]."""
        return np.diff(self.starts)


def tokenizer_hash(tokenizer: Tokenizer) -> str:
    """Twelve hex digits that change with the vocabulary."""
    return hashlib.sha256(tokenizer.backend.to_str().encode()).hexdigest()[:12]


def document_examples(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[Example]:
    """Pretraining documents: ``<|endoftext|> tokens… <|endoftext|>``, encoded on all cores."""
    border = tokenizer.document_id
    iterator = iter(texts)
    while batch := list(islice(iterator, BATCH)):
        for ids in tokenizer.encode_batch(batch):
            yield [border, *ids, border], None


class PackWriter:
    """Writes a token folder; what is half-written never bears the final name."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self.folder, self.tokenizer = Path(folder), tokenizer
        self.temporary = self.folder.with_name(f".{self.folder.name}.part")
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(parents=True)
        self.dtype = "uint16" if tokenizer.vocab_size <= 2**16 else "uint32"
        self.starts, self.targets = [0], 0

    def write(
        self, examples: Iterable[Example], *, amounts: Callable[[], tuple[int, int]] = lambda: (0, 0)
    ) -> PackMeta:
        """Write all examples and give the folder its name.

        Args:
            amounts: asked at the end for the characters and bytes of the text behind the examples.

        Raises:
            BadInput: there is no example, or none carries loss.
        """
        try:
            if not self._write(examples):
                (self.temporary / "mask.bin").unlink()
            return self._finish(*amounts())
        finally:
            shutil.rmtree(self.temporary, ignore_errors=True)

    def _write(self, examples: Iterable[Example]) -> bool:
        """Write tokens and masks; whether any example had a mask (one without carries loss everywhere)."""
        masked = False
        with (self.temporary / "tokens.bin").open("wb") as tokens, (self.temporary / "mask.bin").open("wb") as masks:
            for ids, mask in examples:
                if mask is not None and len(mask) != len(ids):
                    raise BadInput(f"an example has {len(ids)} tokens and {len(mask)} marks of loss")
                tokens.write(np.asarray(ids, dtype=self.dtype).tobytes())
                masks.write(bytes(mask) if mask is not None else b"\x01" * len(ids))
                self.starts.append(self.starts[-1] + len(ids))
                # the first token of a document is nobody's target
                self.targets += sum(mask[1:]) if mask is not None else max(0, len(ids) - 1)
                masked |= mask is not None
        return masked

    def _finish(self, characters: int, size: int) -> PackMeta:
        if self.targets == 0:
            raise BadInput(
                "the data hold no document to learn from", hint="is the file empty, or every row filtered out?"
            )
        np.asarray(self.starts, dtype=np.uint64).tofile(self.temporary / "starts.bin")
        meta = PackMeta(
            len(self.starts) - 1, self.starts[-1], self.targets, characters, size,
            self.tokenizer.vocab_size, self.dtype, tokenizer_hash(self.tokenizer),
        )  # fmt: skip
        write_text(self.temporary / "meta.json", json.dumps(asdict(meta), indent=2) + "\n")
        for path in self.temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        shutil.rmtree(self.folder, ignore_errors=True)
        self.temporary.replace(self.folder)
        fsync_dir(self.folder.parent)
        return meta
