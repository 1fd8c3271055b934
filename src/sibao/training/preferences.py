"""Batches of preferences: pairs of whole texts, the preferred one first, with what the reference model thinks of both.

Row i of an epoch is one pair, in an order drawn from (seed, epoch): nothing to save, nothing to lose.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from sibao.core.errors import BadInput
from sibao.text.pack import TokenFile
from sibao.training.batches import IGNORE


@dataclass(frozen=True)
class Terms:
    """How two answers are compared; the keys of a recipe's ``[objective]``."""

    beta: float = 0.1
    label_smoothing: float = 0.0
    preference_loss: str = "sigmoid"
    length_normalized: bool = False


@dataclass
class Tally:
    """Sums over pairs, from which ``figures`` makes means; the loss adds to it, the log empties it."""

    sums: Counter[str] = field(default_factory=Counter)
    pairs: int = 0

    def add(self, pairs: int, **sums: float) -> None:
        """Count some pairs."""
        self.pairs += pairs
        for name, value in sums.items():
            self.sums[name] += value  # type: ignore[assignment]

    def figures(self) -> dict[str, float]:
        """The means since it was last asked."""
        found = {name: value / self.pairs for name, value in self.sums.items()}
        self.sums.clear()
        self.pairs = 0
        return found


@dataclass
class PreferenceBatch:
    """P pairs, chosen at 0 and rejected at 1.

    ``ids`` [P, 2, T] (int64); ``targets`` [P, 2, T]: the next token or ``IGNORE``; ``reference`` [P, 2] (float32): summed
    log-probability of the targets under the reference model.
    """

    ids: Tensor
    targets: Tensor
    reference: Tensor
    terms: Terms
    tally: Tally

    @property
    def size(self) -> int:
        """Positions, padding included."""
        return self.ids.numel()

    @property
    def target_tokens(self) -> int:
        """Pairs: what the loss is divided by."""
        return len(self.ids)

    def bytes_of(self, sizes: Tensor) -> int:
        """A preference says nothing about bytes."""
        return 0

    def to(self, device: str) -> PreferenceBatch:
        """The same pairs on a device."""
        ids, targets, reference = (t.to(device) for t in (self.ids, self.targets, self.reference))
        return replace(self, ids=ids, targets=targets, reference=reference)

    def split(self, rows: int) -> list[PreferenceBatch]:
        """Micro-batches of at most ``rows`` pairs, each as long as its longest text."""
        parts = zip(*(t.split(rows) for t in (self.ids, self.targets, self.reference)), strict=True)
        return [_trimmed(replace(self, ids=i, targets=t, reference=r)) for i, t, r in parts]


def _trimmed(batch: PreferenceBatch) -> PreferenceBatch:
    """Without the columns after the last target."""
    used = int(torch.nonzero((batch.targets != IGNORE).any(dim=(0, 1)))[-1]) + 1
    return replace(batch, ids=batch.ids[..., :used], targets=batch.targets[..., :used])


class Preferences:
    """Pairs of a token file whose documents are chosen, rejected, chosen, rejected …

    Args:
        reference: float32 [pairs, 2]; None: zeros (to find it out).
        shuffle: False keeps the pairs in their order (validation).

    Raises:
        BadInput: a file that does not hold pairs, or another number of them than ``reference``.
    """

    def __init__(
        self, file: TokenFile, seed: int, terms: Terms, tally: Tally, *,
        reference: np.ndarray | None = None, shuffle: bool = True,
    ) -> None:  # fmt: skip
        self.file, self.seed, self.terms, self.tally, self.shuffle = file, seed, terms, tally, shuffle
        self.pairs = file.meta.documents // 2
        self.reference = np.zeros((self.pairs, 2), np.float32) if reference is None else reference
        if file.mask is None or file.meta.documents % 2 or self.reference.shape != (self.pairs, 2):
            raise BadInput(
                f"{file.folder} holds {file.meta.documents} documents and {len(self.reference)} pairs of the reference",
                hint="start a new run",
            )
        self._order = lru_cache(maxsize=2)(self._make_order)

    def _make_order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.pairs)
        return np.random.default_rng([self.seed, epoch]).permutation(self.pairs)

    def rows(self, first: int, count: int) -> PreferenceBatch:
        """Pairs ``first`` … ``first + count - 1`` of the endless sequence of epochs."""
        places = (divmod(row, self.pairs) for row in range(first, first + count))
        return self.of([int(self._order(epoch)[at]) for epoch, at in places])

    def spread(self, count: int) -> list[int]:
        """``count`` pairs of the first epoch (all, if there are fewer), evenly spread."""
        count = min(count, self.pairs)
        return [i * self.pairs // count for i in range(count)]

    def at(self, rows: list[int]) -> PreferenceBatch:
        """These pairs of the first epoch."""
        return self.of([int(self._order(0)[row]) for row in rows])

    def of(self, pairs: list[int]) -> PreferenceBatch:
        """Pairs by their number in the file."""
        documents = [2 * pair + which for pair in pairs for which in (0, 1)]
        spans = [slice(*self.file.starts[d : d + 2]) for d in documents]
        width = max(span.stop - span.start for span in spans)
        ids = np.zeros((len(documents), width), np.int64)
        targets = np.full((len(documents), width), IGNORE, np.int64)
        mask = self.file.mask
        for row, span in enumerate(spans):
            tokens = self.file.tokens[span].astype(np.int64)
            ids[row, : len(tokens)] = tokens
            loss = np.ones(len(tokens)) if mask is None else mask[span]
            targets[row, : len(tokens) - 1] = np.where(loss[1:] == 1, tokens[1:], IGNORE)
        shape = (len(pairs), 2, width)
        reference = torch.from_numpy(self.reference[pairs].astype(np.float32))
        tensors = torch.from_numpy(ids).view(shape), torch.from_numpy(targets).view(shape), reference
        return _trimmed(PreferenceBatch(*tensors, self.terms, self.tally))
