"""From an encoder-decoder to an engine."""

from __future__ import annotations

from sibao.engine.build import CACHE_BYTES, capacity
from sibao.engine.engine import Engine
from sibao.engine.pair_runner import TorchPairRunner
from sibao.nn.seq2seq import Seq2Seq

TEXTS = 128
"""Texts that are written at once, each beam being one: steps of small models cost little more with many."""


def build_pair(network: Seq2Seq, *, max_batch: int = TEXTS, cache_bytes: int = CACHE_BYTES) -> Engine:
    """An engine for an encoder-decoder.

    Args:
        cache_bytes: of keys and values while several requests run; a request alone may take more.
    """
    size = TorchPairRunner.block_bytes(network.config, next(network.parameters()).dtype.itemsize)
    runner = TorchPairRunner(network, capacity(network.config, size, cache_bytes))
    return Engine(runner, max_batch, max(1, cache_bytes // size))
