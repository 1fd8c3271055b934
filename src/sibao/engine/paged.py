"""Keys and values in blocks, as tensors on any device, and the views of them that ``Decoder.forward`` takes as its cache.

What stands in a place that no token has been kept in yet is hidden from every query by the mask, but a mask does not stop
what is no number: 0 · NaN is NaN. So such places hold zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from sibao.nn.config import DecoderConfig


class PagedCache:
    """Blocks of keys and of values, [layers, blocks, K, size, E] each.

    Behind the blocks that are asked for are two more: ``empty`` holds zeros and fills tables up, nobody writes to it;
    ``scratch`` takes what is kept of rows that only fill a batch up.

    Args:
        blocks: how many there are for sequences. size: positions of a block.
    """

    def __init__(
        self, config: DecoderConfig, blocks: int, size: int, dtype: torch.dtype, device: torch.device | str
    ) -> None:
        shape = (config.num_hidden_layers, blocks + 2, config.num_key_value_heads, size, config.head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros_like(self.keys)
        self.size, self.empty, self.scratch = size, blocks, blocks + 1

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.keys.device

    def copy(self, copies: Iterable[tuple[int, int, int]]) -> None:
        """Make blocks of the first positions of others: (from, to, how many)."""
        for old, new, count in copies:
            for store in (self.keys, self.values):
                store[:, new, :, :count] = store[:, old, :, :count]
                store[:, new, :, count:] = 0

    def clear(self, blocks: Sequence[int]) -> None:
        """Blocks that a sequence begins to fill: what others left in them goes."""
        if blocks:
            which = torch.tensor(list(blocks), device=self.device)
            for store in (self.keys, self.values):
                store.index_fill_(1, which, 0)


class PagedView:
    """R sequences, of each the same number of blocks N; new keys and values of all their tokens are kept.

    Args:
        tables_RN: blocks of each sequence, filled up with ``empty``.
    """

    def __init__(self, cache: PagedCache, tables_RN: Tensor) -> None:
        self.cache, self.tables = cache, tables_RN
        self.length = tables_RN.shape[1] * cache.size

    def update(self, layer: int, k_RKTE: Tensor, v_RKTE: Tensor, positions_RT: Tensor) -> tuple[Tensor, Tensor]:
        """Keep new keys and values at their positions; all of the sequences', [R, K, S, E]. See ``nn.cache.CacheView``."""
        blocks, slots = self.tables.gather(1, positions_RT // self.cache.size), positions_RT % self.cache.size
        kept = []
        for store, new in ((self.cache.keys[layer], k_RKTE), (self.cache.values[layer], v_RKTE)):
            store[blocks, :, slots] = new.transpose(1, 2).to(store.dtype)
            kept.append(rows_of(store, self.tables))
        return kept[0], kept[1]


class BlockView:
    """The last block of a sequence, read as a whole, of which only ``new`` rows are tokens: theirs are kept.

    Args:
        table_1N: the sequence's blocks up to this one, [1, N].
        new: rows of the last block that are tokens read now. Those before them were kept earlier, and stay.
    """

    def __init__(self, cache: PagedCache, table_1N: Tensor, new: slice) -> None:
        self.cache, self.table, self.new = cache, table_1N, new
        self.length = table_1N.shape[1] * cache.size

    def update(self, layer: int, k_1KTE: Tensor, v_1KTE: Tensor, positions_1T: Tensor) -> tuple[Tensor, Tensor]:
        """Keep the new rows; all keys and values up to the last of them, zeros behind it, [1, K, S, E]."""
        kept = []
        for store, made in ((self.cache.keys[layer], k_1KTE), (self.cache.values[layer], v_1KTE)):
            store[self.table[:, -1], :, self.new] = made[:, :, self.new].to(store.dtype)
            rows = rows_of(store, self.table)
            rows[:, :, self.length - self.cache.size + self.new.stop :] = 0
            kept.append(rows)
        return kept[0], kept[1]


def rows_of(store: Tensor, tables_RN: Tensor) -> Tensor:
    """A copy of some sequences' blocks, one after another, [R, K, N · size, E]; ``store``: one layer's [blocks, K, size, E]."""
    R, N = tables_RN.shape
    return store[tables_RN].transpose(1, 2).reshape(R, store.shape[1], N * store.shape[2], -1)
