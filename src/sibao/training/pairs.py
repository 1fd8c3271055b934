"""Rows of sources and answers for encoder-decoders: from pairs, or from text with spans cut out.

Rows of like length stand together, so that little is padded; which rows a step sees is a function of (seed, row) alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from sibao.text.pack import TokenFile
from sibao.training.batches import IGNORE

WINDOW = 32
"""Steps whose rows are sorted by length together."""
Pair = tuple[Sequence[int], Sequence[int]]


@dataclass
class PairBatch:
    """Sources [B, S] and answers [B, T], int64, padded on the right.

    ``mask``: bool [B, S], where a source has a token. ``read``: what the decoder reads, the start token and the answer
    without its last token; ``targets``: the answer, ``IGNORE`` behind its end. ``smoothing``: see ``objectives.seq2seq``.
    ``counted``: whether the answers stand for text whose bytes can be counted.
    """

    sources: Tensor
    mask: Tensor
    read: Tensor
    targets: Tensor
    smoothing: float = 0.0
    counted: bool = True

    @property
    def size(self) -> int:
        """Tokens read by both sides; padding differs with the micro-batches and is not counted."""
        return int(self.mask.sum()) + self.target_tokens

    @property
    def target_tokens(self) -> int:
        """Positions that carry loss."""
        return int((self.targets != IGNORE).sum())

    def bytes_of(self, sizes: Tensor) -> int:
        """Bytes of text of the answers, given those of each token [V]."""
        return int(sizes[self.targets[self.targets != IGNORE]].sum()) if self.counted else 0

    def to(self, device: str) -> PairBatch:
        """The same rows on a device."""
        sources, mask, read, targets = (t.to(device) for t in (self.sources, self.mask, self.read, self.targets))
        return replace(self, sources=sources, mask=mask, read=read, targets=targets)

    def split(self, rows: int) -> list[PairBatch]:
        """Micro-batches of at most ``rows`` rows, the longest first, each as wide as its own longest row."""
        order = torch.argsort(-self.mask.sum(1), stable=True)
        return [self._part(some) for some in order.split(rows)]

    def _part(self, rows: Tensor) -> PairBatch:
        mask, targets = self.mask[rows], self.targets[rows]
        S, T = int(mask.sum(1).max()), int((targets != IGNORE).sum(1).max())
        return replace(
            self, sources=self.sources[rows, :S], mask=mask[:, :S], read=self.read[rows, :T], targets=targets[:, :T]
        )


@dataclass(frozen=True)
class Ids:
    """The token ids that a batch needs besides those of its rows."""

    pad: int
    start: int
    end: int


def batch_of(pairs: Sequence[Pair], ids: Ids, smoothing: float = 0.0, *, counted: bool = True) -> PairBatch:
    """Pairs whose sources and answers end with the end token already, as one batch."""
    S, T = (max(len(pair[side]) for pair in pairs) for side in (0, 1))
    sources, mask = np.full((len(pairs), S), ids.pad, np.int64), np.zeros((len(pairs), S), bool)
    read, targets = np.full((len(pairs), T), ids.pad, np.int64), np.full((len(pairs), T), IGNORE, np.int64)
    for row, (source, answer) in enumerate(pairs):
        sources[row, : len(source)], mask[row, : len(source)] = source, True
        targets[row, : len(answer)] = answer
        read[row, 0], read[row, 1 : len(answer)] = ids.start, answer[:-1]
    tensors = [torch.from_numpy(array) for array in (sources, mask, read, targets)]
    return PairBatch(tensors[0], tensors[1], tensors[2], tensors[3], smoothing, counted)


class PairRows:
    """Rows of a token file whose documents are a source (no loss) and an answer (loss) behind it.

    Args:
        group: rows of one step; those of a step are alike in length. 0 keeps the order of the file (validation).
    """

    def __init__(self, file: TokenFile, ids: Ids, seed: int, *, group: int, smoothing: float = 0.0) -> None:
        if file.mask is None:
            raise ValueError(f"{file.folder} holds no pairs")
        self.file, self.ids, self.seed, self.group, self.smoothing = file, ids, seed, group, smoothing
        self.plan = lru_cache(maxsize=2)(self._make_plan)

    def rows(self, first: int, count: int) -> PairBatch:
        """Rows ``first`` … ``first + count - 1`` of the endless sequence of epochs."""
        each = self.file.meta.documents
        return self._batch([int(self.plan(row // each)[row % each]) for row in range(first, first + count)])

    def spread(self, count: int) -> list[int]:
        """Numbers of ``count`` rows of the first epoch, evenly spread."""
        count = min(count, self.file.meta.documents)
        return [i * self.file.meta.documents // count for i in range(count)]

    def at(self, rows: list[int]) -> PairBatch:
        """These rows of the first epoch."""
        return self._batch([int(self.plan(0)[row]) for row in rows])

    def _make_plan(self, epoch: int) -> np.ndarray:
        """Shuffle; sort by length within windows of some steps; shuffle the steps of each window."""
        count, group = self.file.meta.documents, self.group
        if not group:
            return np.arange(count)
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(count)
        parts = []
        for begin in range(0, count, WINDOW * group):
            window = order[begin : begin + WINDOW * group]
            window = window[np.argsort(self.file.lengths[window], kind="stable")]
            steps = [window[i : i + group] for i in range(0, len(window), group)]
            rest = [steps.pop()] if len(steps[-1]) < group else []  # the borders of the other steps stay in place
            parts += [steps[i] for i in rng.permutation(len(steps))] + rest
        return np.concatenate(parts)

    def _batch(self, documents: list[int]) -> PairBatch:
        return batch_of([self._pair(document) for document in documents], self.ids, self.smoothing)

    def _pair(self, document: int) -> Pair:
        begin, end = (int(b) for b in self.file.starts[document : document + 2])
        loss = np.asarray(self.file.mask[begin:end])  # type: ignore[index]
        border = begin + int(np.argmax(loss))
        return self.file.tokens[begin:border].tolist(), self.file.tokens[border:end].tolist()
