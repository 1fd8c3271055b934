"""Masked rows: which tokens are hidden is a pure function of (seed, number of the row), so that a resumed run hides the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sibao.training.batches import IGNORE, Batch, Batches, TensorBatch

HIDE, SWAP = 0.8, 0.1
"""Shares of the chosen tokens that become ``[MASK]`` and a random token; the rest stays as it is (arXiv 1810.04805, 3.1)."""


@dataclass(frozen=True)
class MaskRule:
    """How rows are masked. ``control``: ids that are never chosen and never put in; ``probability``: share of the tokens
    chosen in each row."""

    mask_id: int
    control: frozenset[int]
    vocab_size: int
    probability: float = 0.15


@dataclass
class MaskedBatch(TensorBatch):
    """Rows of one micro-batch, int64 [B, T] each.

    ``ids``: with masks in them. ``targets``: the hidden token, ``IGNORE`` elsewhere. ``positions`` and ``documents`` as
    in ``Batch``.
    """

    targets: Tensor
    positions: Tensor
    documents: Tensor

    @property
    def mask(self) -> Tensor | None:
        """bool [B, T, T]: both in the same document; None when every row is one document."""
        if bool((self.documents == self.documents[:, :1]).all()):
            return None
        return self.documents[:, :, None] == self.documents[:, None, :]

    @property
    def target_tokens(self) -> int:
        """Hidden tokens."""
        return int((self.targets != IGNORE).sum())

    def bytes_of(self, sizes: Tensor) -> int:
        """0: a hidden token is guessed from both sides, which says nothing about the bits of a text."""
        return 0


class MaskedRows:
    """Whole pieces of documents, several to a row, with tokens hidden. Where the token file marks words (1 where one
    begins), whole words are hidden; else single tokens."""

    def __init__(self, rows: Batches, rule: MaskRule, seed: int) -> None:
        self._rows, self.rule, self.seed = rows, rule, seed
        control = np.zeros(rule.vocab_size, bool)
        control[list(rule.control)] = True
        self._control, self._plain = control, np.flatnonzero(~control)

    def rows(self, first: int, count: int) -> MaskedBatch:
        """Rows ``first`` … ``first + count - 1`` of the endless sequence of epochs; each epoch hides others."""
        return self._hide(self._rows.rows(first, count), [(0, first + i) for i in range(count)])

    def spread(self, count: int) -> list[int]:
        """As ``Batches``."""
        return self._rows.spread(count)

    def at(self, rows: list[int]) -> MaskedBatch:
        """These rows of the first epoch, always with the same tokens hidden."""
        return self._hide(self._rows.at(rows), [(1, row) for row in rows])

    def _hide(self, batch: Batch, numbers: list[tuple[int, int]]) -> MaskedBatch:
        ids = batch.ids.numpy().copy()
        targets = np.full_like(ids, IGNORE)
        documents = batch.documents.numpy()
        # the token after a position is its target where that token begins a word (see ``text.pack``)
        begins = np.ones(ids.shape, bool)
        begins[:, 1:] = batch.targets.numpy()[:, :-1] != IGNORE
        for r, number in enumerate(numbers):
            free = (documents[r] >= 0) & ~self._control[ids[r]]
            chosen = self._choose(free, begins[r], np.random.default_rng([self.seed, *number]))
            targets[r, chosen] = ids[r, chosen]
            ids[r, chosen] = self._instead(ids[r, chosen], np.random.default_rng([self.seed, 2, *number]))
        parts = (torch.from_numpy(ids), torch.from_numpy(targets), batch.positions, batch.documents)
        return MaskedBatch(*parts)

    def _choose(self, free: np.ndarray, begins: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Positions to hide: words in random order until their tokens make up the share (at least one word)."""
        places = np.flatnonzero(free)
        if not len(places):
            return places
        # a control token or padding between two places ends a word too
        starts = begins[places] | np.r_[True, np.diff(places) > 1]
        words = np.split(places, np.flatnonzero(starts)[1:])
        wanted = max(1, round(len(places) * self.rule.probability))
        taken: list[np.ndarray] = []
        for i in rng.permutation(len(words)):
            if not taken or sum(map(len, taken)) + len(words[i]) <= wanted:
                taken.append(words[i])
            if sum(map(len, taken)) >= wanted:
                break
        return np.sort(np.concatenate(taken))

    def _instead(self, hidden: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """80 % masks, 10 % random tokens, 10 % themselves."""
        draw, other = rng.random(len(hidden)), rng.choice(self._plain, len(hidden))
        return np.where(draw < HIDE, self.rule.mask_id, np.where(draw < HIDE + SWAP, other, hidden))
