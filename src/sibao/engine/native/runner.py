"""The decoder on the kernels of this package: one call a step, whatever the requests in it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from ctypes import addressof

import torch
from torch import Tensor

from sibao.engine.adapters import Adapters
from sibao.engine.native.library import Batch, library
from sibao.engine.native.low import LowTables
from sibao.engine.native.pair_weights import PairWeights
from sibao.engine.native.panels import ALIGNED, aligned
from sibao.engine.native.weights import Weights
from sibao.engine.runner import BLOCK, Config, Step, vocabulary
from sibao.nn.config import DecoderConfig
from sibao.nn.network import Network
from sibao.nn.seq2seq_config import Seq2SeqConfig

KV_PRECISIONS = ("fp32", "bf16", "int8")
"""What keys and values may be kept in; the place of each is ``Cache.kind`` of attention.h."""


KEPT = 1 << 24
"""Scores that a runner keeps room for, 64 MB."""


class NativeRunner:
    """Implements ``engine.runner.Runner`` on this machine's processor.

    A token's result depends on the tokens before it only: not on the batch, on how a prompt was cut into pieces or on
    who read a shared beginning.

    Args:
        blocks: how many the cache can hold; memory that no request has touched costs nothing.
        kv_cache: what keys and values are kept in, ``fp32``, ``bf16`` or ``int8``; ``auto``: float32 beside float32
            weights, else bfloat16.
        network: the same model in PyTorch, made when it is asked for.
        adapters: that requests may name.
    """

    exact = True
    device = torch.device("cpu")

    def __init__(
        self,
        weights: Weights | PairWeights,
        blocks: int,
        threads: int,
        network: Callable[[], Network],
        adapters: Adapters | None = None,
        kv_cache: str = "auto",
    ) -> None:
        self.weights, self.blocks = weights, blocks
        self.config: Config = weights.config
        self.threads, self._network = threads, network
        self.kv_cache = kv_precision(kv_cache, weights.precision)
        layers = len(weights.layers)
        per_layer = self.block_bytes(self.config, weights.precision, kv_cache) // layers
        self._cache = aligned(layers * blocks * per_layer + ALIGNED)
        self._blocks = self._cache[: layers * blocks * per_layer].view(layers, blocks, per_layer)
        for number, layer in enumerate(weights.layers):
            layer.cache = self._blocks[number].data_ptr()
        weights.model.cache_kind, weights.model.block_bytes = KV_PRECISIONS.index(self.kv_cache), per_layer
        self._work = library().sibao_work()
        self._scores = torch.empty(0)
        self.adapters = adapters
        self._low = LowTables()

    @property
    def model(self) -> Network:
        """See ``engine.runner.Runner``."""
        return self._network()

    @staticmethod
    def block_bytes(config: Config, precision: str, kv_cache: str = "auto") -> int:
        """Memory of one block in all layers, beside weights in ``precision``. See ``Cache`` of attention.h."""
        if isinstance(config, Seq2SeqConfig):
            heads = config.decoder_layers * config.decoder_heads
        else:
            heads = config.num_hidden_layers * config.num_key_value_heads
        return heads * head_bytes(config.head_dim, kv_precision(kv_cache, precision))

    def __del__(self) -> None:
        library().sibao_free(self._work)

    def _room(self, rows: int) -> Tensor:
        """Where scores go. Fresh memory costs about as much as the scores: what is not too large is used again and again."""
        size = rows * vocabulary(self.config)
        if size > KEPT:
            return torch.empty(rows, vocabulary(self.config))
        if size > len(self._scores):
            self._scores = torch.empty(size)
        return self._scores[:size].view(rows, vocabulary(self.config))

    def logits(self, step: Step) -> Tensor:
        """See ``engine.runner.Runner``."""
        out = self._room(len(step.wanted))
        self._run(step, None, out)
        return out

    def hidden(self, step: Step) -> Tensor:
        """See ``engine.runner.Runner``."""
        out = torch.empty(len(step.wanted), self.config.hidden_size)
        self._run(step, out, None)
        return out

    def head(self, hidden_WD: Tensor) -> Tensor:
        """See ``engine.runner.Runner``."""
        hidden = hidden_WD.contiguous()
        out = self._room(len(hidden))
        library().sibao_head(
            self.weights.model, hidden.data_ptr(), len(hidden), out.data_ptr(), self._work, self.threads
        )
        return out

    def _run(self, step: Step, hidden: Tensor | None, logits: Tensor | None) -> None:
        for old, new, _ in step.copies:
            self._blocks[:, new] = self._blocks[:, old]
        used, pointers, rank = self._low.of(step) if any(step.adapters) else ([], None, 0)
        sent = Sent(step.ids, step.at, step.first, step.tables, step.wanted)
        sent.batch.hidden, sent.batch.logits = (None if t is None else t.data_ptr() for t in (hidden, logits))
        sent.batch.adapters, sent.batch.rank = None if pointers is None else addressof(pointers), rank
        self._look_across(step, sent)
        library().sibao_forward(self.weights.model, sent.batch, self._work, self.threads)
        del used  # their memory was read until here

    def _look_across(self, step: Step, sent: Sent) -> None:
        """What the step's tokens look at besides their own sequences: nothing."""


class Sent:
    """A ``Batch`` and the memory that it points to."""

    def __init__(
        self, ids: Sequence[int], at: Sequence[int], first: Sequence[int], tables: Sequence[Sequence[int]],
        wanted: Sequence[int],
    ) -> None:  # fmt: skip
        self.batch = Batch(tokens=len(ids), sequences=len(tables), outputs=len(wanted), table_width=widest(tables))
        self._held: list[array[int]] = []
        for name, values in (("ids", ids), ("at", at), ("first", first), ("output", wanted)):
            self.point(name, values)
        self.point("blocks", filled_up(tables))

    def point(self, field: str, values: Sequence[int]) -> None:
        """Let a field of the batch point to these numbers."""
        self._held.append(array("i", values))
        setattr(self.batch, field, self._held[-1].buffer_info()[0])


def widest(tables: Sequence[Sequence[int]]) -> int:
    """Blocks of the longest table."""
    return max(map(len, tables))


def filled_up(tables: Sequence[Sequence[int]]) -> array[int]:
    """The tables one after another, all as long as the longest."""
    width, out = widest(tables), array("i")
    for table in tables:
        out.extend(table)
        out.extend([0] * (width - len(table)))
    return out


def head_bytes(head_dim: int, kept: str) -> int:
    """Memory of one head's keys and values in a block."""
    size = -(-head_dim // 16) * 16  # whole vectors
    number, steps = {"fp32": (4, 0), "bf16": (2, 0), "int8": (1, 4)}[kept]
    return 2 * BLOCK * (size * number + steps)


def kv_precision(kv_cache: str, precision: str) -> str:
    """What keys and values are kept in beside weights in ``precision``, where ``kv_cache`` is asked for."""
    return ("fp32" if precision == "fp32" else "bf16") if kv_cache == "auto" else kv_cache


def step_bytes(config: DecoderConfig, precision: str, tokens: int) -> int:
    """Memory of a step of so many tokens, besides weights, cache and results (``grow`` in decoder.cpp)."""
    D, N = config.hidden_size, config.intermediate_size * (2 if config.gated_mlp else 1)
    qkv = max(config.query_size + 2 * config.key_size, D)
    rows = max(D, config.query_size, config.intermediate_size) * {"fp32": 4, "bf16": 2}.get(precision, 1)
    return tokens * (4 * (2 * D + config.query_size + N + qkv) + rows)
