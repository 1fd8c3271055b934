"""Batches from token files. Which tokens a step sees is a pure function of (seed, step): nothing to save, nothing to lose.

Documents never see each other: each position carries the number of its document in the row, and attention is masked by it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor

from sibao.core.errors import BadInput
from sibao.text.pack import TokenFile


class AnyBatch(Protocol):
    """Rows of one step, whatever the objective reads."""

    @property
    def size(self) -> int:
        """Positions the model reads (padding included): what speed is counted in."""
        ...

    @property
    def target_tokens(self) -> int:
        """Positions (or rows) that carry loss: what the loss is divided by."""
        ...

    def bytes_of(self, sizes: Tensor) -> int:
        """Bytes of text that the targets stand for, given those of each token [V]; 0 where that says nothing."""
        ...

    def to(self, device: str) -> AnyBatch:
        """The same rows on a device."""
        ...

    def split(self, rows: int) -> Sequence[AnyBatch]:
        """Micro-batches of at most ``rows`` rows."""
        ...


class RowSource(Protocol):
    """Rows in an order that is a pure function of the seed."""

    def rows(self, first: int, count: int) -> AnyBatch:
        """Rows ``first`` … ``first + count - 1`` of the endless sequence of epochs. Whatever is drawn for a row (what is
        masked, say) is a function of (seed, number of the row)."""
        ...

    def spread(self, count: int) -> list[int]:
        """Numbers of ``count`` rows, evenly spread over the first epoch."""
        ...

    def at(self, rows: list[int]) -> AnyBatch:
        """These rows of the first epoch; what is drawn for them is always the same."""
        ...


IGNORE = -100
"""Target of a position that carries no loss (the value of ``torch.nn.functional.cross_entropy``)."""


@dataclass
class TensorBatch:
    """Rows held as tensors alone, one row of each for every row of the batch; ``ids`` is what the model reads."""

    ids: Tensor

    @property
    def size(self) -> int:
        """Positions, padding included."""
        return self.ids.numel()

    def to(self, device: str) -> Self:
        """The same batch on a device."""
        return type(self)(*(getattr(self, f.name).to(device) for f in fields(self)))

    def split(self, rows: int) -> list[Self]:
        """Micro-batches of at most ``rows`` rows."""
        parts = (getattr(self, f.name).split(rows) for f in fields(self))
        return [type(self)(*part) for part in zip(*parts, strict=True)]

    def take(self, rows: Tensor) -> Self:
        """These rows, in this order."""
        return type(self)(*(getattr(self, f.name)[rows] for f in fields(self)))


@dataclass
class Batch(TensorBatch):
    """Rows of one micro-batch, int64 [B, T] each.

    ``targets``: the next token or ``IGNORE``. ``positions``: place in the document's piece that stands in this row.
    ``documents``: number of the document in the row; padding has -1.
    """

    targets: Tensor
    positions: Tensor
    documents: Tensor

    @property
    def mask(self) -> Tensor | None:
        """bool [B, 1, T, T]: same document and not later; None when every row is one document (plain causal)."""
        if bool((self.documents == self.documents[:, :1]).all()):
            return None
        T = self.ids.shape[1]
        same = self.documents[:, :, None] == self.documents[:, None, :]
        return (same & torch.ones(T, T, dtype=torch.bool, device=same.device).tril())[:, None]

    def bytes_of(self, sizes: Tensor) -> int:
        """Bytes of text of the targets, given those of each token [V]."""
        return int(sizes[self.targets[self.targets != IGNORE]].sum())

    @property
    def target_tokens(self) -> int:
        """Positions that carry loss."""
        return int((self.targets != IGNORE).sum())

    def split(self, rows: int) -> list[Self]:
        """Micro-batches of at most ``rows`` rows; rows of a single document stand together (their attention is cheaper)."""
        order = torch.argsort(self.documents.max(dim=1).values, stable=True)
        return TensorBatch.split(self.take(order), rows)


Piece = tuple[int, int, int]
"""Document, first token and one past the last token of it in a row."""


class Batches:
    """Rows of ``length`` positions over a token file, in an order drawn from ``seed`` anew each epoch.

    Args:
        whole: documents stay whole, several to a row, the rest padded (fine-tuning); otherwise they follow each other
            without gaps and are continued in the next row (pretraining).
        shuffle: False keeps the documents in their order and pads the last row instead of leaving it out, so that
            every target is there (validation).

    Raises:
        BadInput: a document longer than a row when they must stay whole, or too few tokens for one row.
    """

    def __init__(self, file: TokenFile, length: int, seed: int, *, whole: bool, shuffle: bool = True) -> None:
        self.file, self.length, self.seed, self.whole, self.shuffle = file, length, seed, whole, shuffle
        self.lengths = file.lengths
        if whole and int(self.lengths.max()) > length:
            raise BadInput(
                f"a row of {int(self.lengths.max())} tokens does not fit data.sequence_length {length}",
                hint="raise sequence_length, or leave such rows out",
            )
        self.plan = lru_cache(maxsize=2)(self._make_plan)
        self._ends: list[int] = []

    def rows(self, first: int, count: int) -> Batch:
        """Rows ``first`` … ``first + count - 1`` of the endless sequence of epochs."""
        picked: list[list[Piece]] = []
        while len(picked) < count:
            epoch = self._epoch_of(first + len(picked))
            at = first + len(picked) - (self._ends[epoch - 1] if epoch else 0)
            picked += self.plan(epoch)[at : at + count - len(picked)]
        return self._batch(picked)

    def spread(self, count: int) -> list[int]:
        """``count`` rows of the first epoch (all, if there are fewer), evenly spread, so that every part has its share."""
        rows = self.epoch_rows()
        count = min(count, rows)
        return [i * rows // count for i in range(count)]

    def at(self, rows: list[int]) -> Batch:
        """These rows of the first epoch."""
        plan = self.plan(0)
        return self._batch([plan[r] for r in rows])

    def _epoch_of(self, row: int) -> int:
        """The epoch a row falls in; where each epoch ends is found once and kept."""
        while not self._ends or self._ends[-1] <= row:
            self._ends.append((self._ends[-1] if self._ends else 0) + len(self.plan(len(self._ends))))
        return bisect_right(self._ends, row)

    def epoch_rows(self) -> int:
        """Rows in the first epoch."""
        return len(self.plan(0))

    def _order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(len(self.lengths))
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.lengths))

    def _make_plan(self, epoch: int) -> list[list[Piece]]:
        order = self._order(epoch)
        if self.whole:
            rows = pack_whole(order, self.lengths, self.length)
        else:
            rows = pack_stream(order, self.lengths, self.length, rest=not self.shuffle)
        if not rows:
            raise BadInput(
                f"the data hold {int(self.lengths.sum())} tokens, fewer than one row of {self.length}",
                hint="lower data.sequence_length or bring more text",
            )
        return rows

    def _batch(self, plan: list[list[Piece]]) -> Batch:
        shape = (len(plan), self.length)
        ids, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        targets, documents = np.full(shape, IGNORE, np.int64), np.full(shape, -1, np.int64)
        for r, pieces in enumerate(plan):
            at = 0
            for number, (document, begin, end) in enumerate(pieces):
                base, n = self.file.starts[document], end - begin
                ids[r, at : at + n] = self.file.tokens[base + begin : base + end]
                targets[r, at : at + n] = self._targets(document, begin, end)
                positions[r, at : at + n] = np.arange(n)
                documents[r, at : at + n] = number
                at += n
        return Batch(*(torch.from_numpy(a) for a in (ids, targets, positions, documents)))

    def _targets(self, document: int, begin: int, end: int) -> np.ndarray:
        """The token after each; the last token of a document has none."""
        start, stop = self.file.starts[document], self.file.starts[document + 1]
        after = np.full(end - begin, IGNORE, np.int64)
        known = self.file.tokens[start + begin + 1 : min(start + end + 1, stop)].astype(np.int64)
        if self.file.mask is not None:
            loss = self.file.mask[start + begin + 1 : min(start + end + 1, stop)]
            known = np.where(loss == 1, known, IGNORE)
        after[: len(known)] = known
        return after


def pack_stream(order: np.ndarray, lengths: np.ndarray, length: int, *, rest: bool = False) -> list[list[Piece]]:
    """Documents one after the other, cut into full rows; the unfilled last row is left out (in the next epoch's order
    other documents stand there), unless ``rest`` asks for it."""
    rows: list[list[Piece]] = []
    row: list[Piece] = []
    room = length
    for document in order.tolist():
        begin, size = 0, int(lengths[document])
        while begin < size:
            end = min(size, begin + room)
            row.append((document, begin, end))
            room -= end - begin
            begin = end
            if room == 0:
                rows.append(row)
                row, room = [], length
    return [*rows, row] if rest and row else rows


def pack_whole(order: np.ndarray, lengths: np.ndarray, length: int, open_rows: int = 32) -> list[list[Piece]]:
    """First-fit of whole documents into rows, with at most ``open_rows`` unfinished ones."""
    rows: list[list[Piece]] = []
    opened: list[tuple[int, list[Piece]]] = []
    for document in order.tolist():
        size = int(lengths[document])
        for i, (room, row) in enumerate(opened):
            if size <= room:
                row.append((document, 0, size))
                opened[i] = (room - size, row)
                break
        else:
            opened.append((length - size, [(document, 0, size)]))
            if len(opened) > open_rows:
                fullest = min(range(len(opened)), key=lambda i: opened[i][0])
                rows.append(opened.pop(fullest)[1])
    return rows + [row for _, row in opened]
