"""What the engine asks of a network: one step over new tokens of any number of sequences, with keys and values in blocks."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from sibao.engine.adapters import Adapters
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder

BLOCK = 32
"""Positions of a block of the cache."""


@dataclass
class Step:
    """New tokens of several sequences, one sequence after another (a ragged batch).

    ``ids`` and ``at`` [M]: token and position; ``first`` [sequences + 1]: where each sequence's tokens begin; ``tables``:
    the blocks of each sequence in order (position p lies in ``table[p // BLOCK]``); ``wanted`` [W]: tokens whose results
    are asked for, as places in ``ids``; ``adapters``: folder of each sequence's adapter, or None.
    """

    ids: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=lambda: [0])
    tables: list[Sequence[int]] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    adapters: list[str | None] = field(default_factory=list)

    def add(self, ids: Sequence[int], at: int, table: array[int], wanted: range, adapter: str | None = None) -> None:
        """Tokens of one more sequence, from position ``at`` on; ``wanted``: which of them, counted from ``at``'s."""
        here = len(self.ids)
        self.ids += ids
        self.at += range(at, at + len(ids))
        self.first.append(len(self.ids))
        self.tables.append(table)
        self.adapters.append(adapter)
        self.wanted += range(here + wanted.start, here + wanted.stop)


class Runner(Protocol):
    """A decoder with its cache. Keys and values of a step's tokens are kept before any of its tokens looks at them, so
    that sequences of one step may share blocks which that step itself fills."""

    config: DecoderConfig
    blocks: int
    """How many blocks there are."""
    exact: bool
    """Whether a token's result is the same to the bit in any batch."""
    device: torch.device
    adapters: Adapters | None
    """What requests may name beside the model."""

    @property
    def model(self) -> Decoder:
        """The network in PyTorch."""
        ...

    def logits(self, step: Step) -> Tensor:
        """Scores of the next token after each wanted one, float32 [W, V]."""
        ...

    def hidden(self, step: Step) -> Tensor:
        """Last hidden states of the wanted tokens, [W, D]."""
        ...

    def head(self, hidden_WD: Tensor) -> Tensor:
        """Scores [W, V], float32, from hidden states."""
        ...


class PagedView:
    """Blocks as a cache that ``Decoder.forward`` takes: R sequences, of each the same number of blocks."""

    def __init__(self, keys: Tensor, values: Tensor, tables_RN: Tensor) -> None:
        self.keys, self.values, self.tables = keys, values, tables_RN
        self.length = tables_RN.shape[1] * BLOCK

    def update(self, layer: int, k_RKTE: Tensor, v_RKTE: Tensor, positions_RT: Tensor) -> tuple[Tensor, Tensor]:
        """Keep new keys and values at their positions; all of the sequences', [R, K, S, E]. See ``nn.cache.CacheView``."""
        blocks, slots = self.tables.gather(1, positions_RT // BLOCK), positions_RT % BLOCK
        kept = []
        for store, new in ((self.keys[layer], k_RKTE), (self.values[layer], v_RKTE)):  # [blocks, K, BLOCK, E]
            store[blocks, :, slots] = new.transpose(1, 2).to(store.dtype)
            R, N = self.tables.shape
            kept.append(store[self.tables].transpose(1, 2).reshape(R, store.shape[1], N * BLOCK, -1))
        return kept[0], kept[1]


class TorchRunner:
    """The decoder as PyTorch computes it, on any device and in the precision of its weights.

    Sequences with the same number of new tokens go through the network together.

    Args:
        dtype: of keys and values; None: as the weights. adapters: that requests may name.
    """

    exact = False

    def __init__(
        self, model: Decoder, blocks: int, dtype: torch.dtype | None = None, adapters: Adapters | None = None
    ) -> None:
        weight = next(model.parameters())
        self.model, self.config, self.blocks, self.device = model.eval(), model.config, blocks, weight.device
        self.adapters = adapters
        c = model.config
        shape = (c.num_hidden_layers, blocks, c.num_key_value_heads, BLOCK, c.head_dim)
        self._states = weight.dtype
        self._keys = torch.zeros(shape, dtype=dtype or weight.dtype, device=weight.device)
        self._values = torch.zeros_like(self._keys)

    @staticmethod
    def block_bytes(config: DecoderConfig, itemsize: int) -> int:
        """Memory of one block in all layers."""
        return 2 * config.num_hidden_layers * config.key_size * BLOCK * itemsize

    def logits(self, step: Step) -> Tensor:
        """See ``Runner``."""
        return self.head(self.hidden(step))

    def head(self, hidden_WD: Tensor) -> Tensor:
        """See ``Runner``."""
        return self.model.logits(hidden_WD)

    def hidden(self, step: Step) -> Tensor:
        """See ``Runner``."""
        found = torch.empty(len(step.ids), self.config.hidden_size, dtype=self._states, device=self.device)
        for sequences in _alike(step):
            places = [range(step.first[s], step.first[s + 1]) for s in sequences]
            width = max(step.at[place[-1]] // BLOCK + 1 for place in places)
            tables = [[*list(step.tables[s])[:width], *[0] * (width - len(step.tables[s]))] for s in sequences]
            ids, at, blocks = (
                torch.tensor(rows, device=self.device)
                for rows in (
                    [step.ids[p.start : p.stop] for p in places],
                    [step.at[p.start : p.stop] for p in places],
                    tables,
                )
            )
            adapter = step.adapters[sequences[0]]
            model = self.model if adapter is None or self.adapters is None else self.adapters.get(adapter)
            states = model(ids, at, PagedView(self._keys, self._values, blocks))
            for place, row in zip(places, states, strict=True):
                found[place.start : place.stop] = row
        return found[torch.tensor(step.wanted, dtype=torch.long, device=self.device)]


def _alike(step: Step) -> list[list[int]]:
    """Neighbouring sequences with equally many new tokens and the same adapter.

    Their order is kept, for a later one may read what an earlier one keeps.
    """
    groups: list[list[int]] = []
    before: tuple[int, str | None] | None = None
    for s in range(len(step.tables)):
        kind = step.first[s + 1] - step.first[s], step.adapters[s]
        if kind == before:
            groups[-1].append(s)
        else:
            groups.append([s])
        before = kind
    return groups
