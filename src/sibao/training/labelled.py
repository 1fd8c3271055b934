"""Rows for heads: texts (with a second segment, perhaps) and one or two numbers to learn for each, in one file of arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sibao.core.errors import BadInput, DataError
from sibao.core.paths import atomic_path
from sibao.training.batches import TensorBatch


@dataclass(frozen=True)
class LabelledRow:
    """Token ids with the segment (0 or 1) of each, and what is learned: a label, or begin and end of a span."""

    ids: list[int]
    types: list[int]
    targets: tuple[int, ...]


@dataclass
class LabelledBatch(TensorBatch):
    """Rows of one micro-batch. ``ids``, ``types``: int64 [B, T]; ``mask``: bool [B, T], False for padding;
    ``targets``: int64 [B, 1 or 2]."""

    types: Tensor
    mask: Tensor
    targets: Tensor

    @property
    def target_tokens(self) -> int:
        """Rows: each counts once, however long."""
        return len(self.ids)

    def bytes_of(self, sizes: Tensor) -> int:
        """0: a label stands for no text."""
        return 0


def write_rows(path: Path, rows: Iterable[LabelledRow]) -> int:
    """Write rows atomically; returns their number.

    Raises:
        BadInput: there is none.
    """
    kept = list(rows)
    if not kept:
        raise BadInput("the data hold no row to learn from", hint="is the file empty, or every row too long?")
    starts = np.cumsum([0, *(len(r.ids) for r in kept)]).astype(np.int64)
    ids = np.concatenate([np.asarray(r.ids, np.int32) for r in kept])
    types = np.concatenate([np.asarray(r.types, np.uint8) for r in kept])
    targets = np.asarray([r.targets for r in kept], np.int64)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, starts=starts, ids=ids, types=types, targets=targets)
    return len(kept)


class LabelledRows:
    """The rows of a file in an order drawn from ``seed`` anew each epoch (``shuffle`` False: as they stand).

    Raises:
        DataError: there is no such file, or it is damaged.
    """

    def __init__(self, path: Path, seed: int, pad_id: int, *, shuffle: bool = True) -> None:
        try:
            with np.load(path) as arrays:
                self._starts, self._ids, self._types, self._targets = (
                    arrays[name] for name in ("starts", "ids", "types", "targets")
                )
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"cannot be read: {error}", file=str(path), hint="start a new run") from None
        self.seed, self.pad_id, self.shuffle = seed, pad_id, shuffle
        self._order = lru_cache(maxsize=2)(self._make_order)

    def __len__(self) -> int:
        return len(self._targets)

    def _make_order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(len(self))
        return np.random.default_rng([self.seed, epoch]).permutation(len(self))

    def rows(self, first: int, count: int) -> LabelledBatch:
        """Rows ``first`` … ``first + count - 1`` of the endless sequence of epochs."""
        numbers = range(first, first + count)
        return self._batch([int(self._order(n // len(self))[n % len(self)]) for n in numbers])

    def spread(self, count: int) -> list[int]:
        """``count`` rows (all, if there are fewer), evenly spread."""
        count = min(count, len(self))
        return [i * len(self) // count for i in range(count)]

    def at(self, rows: list[int]) -> LabelledBatch:
        """These rows of the first epoch."""
        return self._batch([int(self._order(0)[r]) for r in rows])

    def _batch(self, picked: list[int]) -> LabelledBatch:
        """Rows padded on the right to the longest of them."""
        lengths = [int(self._starts[r + 1] - self._starts[r]) for r in picked]
        shape = (len(picked), max(lengths))
        ids, types = np.full(shape, self.pad_id, np.int64), np.zeros(shape, np.int64)
        mask = np.zeros(shape, bool)
        for i, (row, length) in enumerate(zip(picked, lengths, strict=True)):
            begin = int(self._starts[row])
            ids[i, :length] = self._ids[begin : begin + length]
            types[i, :length] = self._types[begin : begin + length]
            mask[i, :length] = True
        return LabelledBatch(*(torch.from_numpy(a) for a in (ids, types, mask, self._targets[picked])))
