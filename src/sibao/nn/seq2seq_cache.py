"""Keys and values of an encoder-decoder: those of the answers grow, those of the sources are made once."""

from __future__ import annotations

import torch
from torch import Tensor


class Seq2SeqCache:
    """``length`` tokens of each answer are in it.

    Args:
        cross: keys and values of the source for each layer, [R, H, S, E] each.
        mask_RS: bool, True where a source has a token.
        shape: layers, rows of answers (a multiple of R), heads, most tokens, head width.
    """

    def __init__(
        self, cross: list[tuple[Tensor, Tensor]], mask_RS: Tensor, shape: tuple[int, ...], dtype: torch.dtype
    ) -> None:
        self.cross = cross
        self.mask = mask_RS[:, None, None, :]
        self.keys = torch.zeros(shape, dtype=dtype, device=mask_RS.device)  # [L, N, H, T, E]
        self.values = torch.zeros_like(self.keys)
        self.length = 0

    def layer(self, number: int, *, keep: bool) -> LayerCache:
        """What one layer reads, and where ``keep`` also writes."""
        return LayerCache(self, number, keep)

    def reorder(self, parents_N: Tensor) -> None:
        """Let each row go on from another row of the same source."""
        end = self.length
        self.keys[:, :, :, :end] = self.keys[:, parents_N, :, :end]
        self.values[:, :, :, :end] = self.values[:, parents_N, :, :end]


class LayerCache:
    """One layer's part: ``keys``, ``values`` and ``mask`` are the source's; ``update`` is for the answer's."""

    def __init__(self, cache: Seq2SeqCache, number: int, keep: bool) -> None:
        self.cache, self.number, self.keep = cache, number, keep
        self.keys, self.values = cache.cross[number]
        self.mask = cache.mask

    def update(self, k_NHTE: Tensor, v_NHTE: Tensor) -> tuple[Tensor, Tensor]:
        """Write one more token's keys and values and return all so far; what is not kept comes back as it is."""
        if not self.keep:
            return k_NHTE, v_NHTE
        keys, values = self.cache.keys[self.number], self.cache.values[self.number]
        end = self.cache.length + 1
        keys[:, :, end - 1 : end], values[:, :, end - 1 : end] = k_NHTE.to(keys.dtype), v_NHTE.to(values.dtype)
        return keys[:, :, :end], values[:, :, :end]
