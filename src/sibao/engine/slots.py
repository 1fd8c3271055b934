"""The rows of the key/value cache: grown when needed, moved when a row is freed, bounded in memory."""

from __future__ import annotations

import torch

from sibao.nn.cache import CacheView, KVCache
from sibao.nn.config import DecoderConfig

LENGTH_STEP = 256
"""Lengths are rounded up to this, so that growing is rare."""


class Slots:
    """One ``KVCache`` that is replaced by a larger one when rows or positions run out.

    Args:
        limit: bytes the cache may take while several requests run; a single request may take more.
    """

    def __init__(self, config: DecoderConfig, dtype: torch.dtype, device: torch.device, limit: int) -> None:
        self._config, self._dtype, self.device, self._limit = config, dtype, device, limit
        self._slot_bytes = 2 * config.num_hidden_layers * config.key_size * dtype.itemsize
        self._cache: KVCache | None = None

    def fits(self, rows: int, length: int) -> bool:
        """Whether so many rows of so many positions stay within the limit."""
        return rows * max(self._round(length), self._length) * self._slot_bytes <= self._limit

    def reserve(self, rows: int, length: int, used: int) -> None:
        """Make room for ``rows`` of ``length`` positions; the first ``used`` rows keep their content."""
        length = self._round(length)
        if not used and self._length > 2 * length:
            self._cache = None  # a long request is over; do not carry its width on
        if rows <= self._rows and length <= self._length:
            return
        if not used:
            self._cache = None  # free the old one before the new one is made
        elif rows > self._rows and self.fits(2 * self._rows, length):
            rows = max(rows, 2 * self._rows)  # requests that come one by one do not each copy the cache
        old = self._cache
        new = KVCache(self._config, rows, max(length, old.length if old else 0), self._dtype, self.device)
        if old is not None:
            new.keys[:, :used, :, : old.length] = old.keys[:, :used]
            new.values[:, :used, :, : old.length] = old.values[:, :used]
        self._cache = new

    @torch.inference_mode()
    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` positions of a row onto another row."""
        cache = self._filled()
        cache.keys[:, target, :, :length] = cache.keys[:, source, :, :length]
        cache.values[:, target, :, :length] = cache.values[:, source, :, :length]

    def view(self, rows: list[int], length: int) -> CacheView:
        """What one forward reads and writes. Rows 0..n-1 in order need no gather and no copy."""
        dense = rows == list(range(len(rows)))
        return self._filled().view(None if dense else torch.tensor(rows, device=self.device), length)

    def _filled(self) -> KVCache:
        if self._cache is None:
            raise RuntimeError("reserve() comes before the first use of the cache")
        return self._cache

    def _round(self, length: int) -> int:
        rounded = -(-length // LENGTH_STEP) * LENGTH_STEP
        return max(length, min(rounded, self._config.max_position_embeddings))

    @property
    def _rows(self) -> int:
        return self._cache.keys.shape[1] if self._cache else 0

    @property
    def _length(self) -> int:
        return self._cache.length if self._cache else 0
