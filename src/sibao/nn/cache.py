"""Keys and values of the positions already read, so that each new token costs one position of work."""

from __future__ import annotations

import torch
from torch import Tensor

from sibao.nn.config import DecoderConfig


class KVCache:
    """A slot for every (row, position). The token at position p of a row lives in slot p of that row.

    A query at position p sees slots 0..p only. So right padding in a prefill is harmless: a padded slot lies ahead of
    every real query until the real token of that position overwrites it.

    Args:
        batch: rows. length: positions a row can hold.
    """

    def __init__(
        self,
        config: DecoderConfig,
        batch: int,
        length: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (config.num_hidden_layers, batch, config.num_key_value_heads, length, config.head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)  # [L, B, K, S, E]
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.length = length

    def view(self, rows: Tensor | None, length: int) -> CacheView:
        """The part of the cache that one forward reads and writes: ``rows`` [B] (None: all) and the first ``length`` slots."""
        return CacheView(self, rows, length)


class CacheView:
    """A selection of rows and a visible length; handed to ``Decoder.forward``."""

    def __init__(self, cache: KVCache, rows: Tensor | None, length: int) -> None:
        self.cache, self.rows, self.length = cache, rows, length

    def update(self, layer: int, k_BKTE: Tensor, v_BKTE: Tensor, positions_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Write the new keys and values at their positions; return all visible ones, [B, K, S, E]."""
        keys, values = self.cache.keys[layer], self.cache.values[layer]
        B = positions_BT.shape[0]
        rows = torch.arange(B, device=positions_BT.device) if self.rows is None else self.rows
        # advanced indices around a slice: the indexed dims come first, so [B, T, K, E] is assigned
        keys[rows[:, None], :, positions_BT] = k_BKTE.transpose(1, 2).to(keys.dtype)
        values[rows[:, None], :, positions_BT] = v_BKTE.transpose(1, 2).to(values.dtype)
        if self.rows is None:
            return keys[:B, :, : self.length], values[:B, :, : self.length]
        return keys[rows, :, : self.length], values[rows, :, : self.length]
