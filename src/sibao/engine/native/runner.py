"""The decoder on the kernels of this package: one call a step, whatever the requests in it."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from ctypes import addressof

import torch
from torch import Tensor

from sibao.engine.adapters import Adapters
from sibao.engine.native.library import Batch, library
from sibao.engine.native.low import LowTables
from sibao.engine.native.panels import ALIGNED, aligned
from sibao.engine.native.weights import Weights
from sibao.engine.runner import BLOCK, Step
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder

KV_PRECISIONS = ("fp32", "bf16", "int8")
"""What keys and values may be kept in; the place of each is ``Cache.kind`` of attention.h."""


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
        weights: Weights,
        blocks: int,
        threads: int,
        network: Callable[[], Decoder],
        adapters: Adapters | None = None,
        kv_cache: str = "auto",
    ) -> None:
        self.weights, self.config, self.blocks = weights, weights.config, blocks
        self.threads, self._network = threads, network
        self.kv_cache = kv_precision(kv_cache, weights.precision)
        layers = self.config.num_hidden_layers
        per_layer = self.block_bytes(self.config, weights.precision, kv_cache) // layers
        self._cache = aligned(layers * blocks * per_layer + ALIGNED)
        self._blocks = self._cache[: layers * blocks * per_layer].view(layers, blocks, per_layer)
        for number, layer in enumerate(weights.layers):
            layer.cache = self._blocks[number].data_ptr()
        weights.model.cache_kind, weights.model.block_bytes = KV_PRECISIONS.index(self.kv_cache), per_layer
        self._work = library().sibao_work()
        self.adapters = adapters
        self._low = None if adapters is None else LowTables(adapters)

    @property
    def model(self) -> Decoder:
        """See ``engine.runner.Runner``."""
        return self._network()

    @staticmethod
    def block_bytes(config: DecoderConfig, precision: str, kv_cache: str = "auto") -> int:
        """Memory of one block in all layers, beside weights in ``precision``. See ``Cache`` of attention.h."""
        size = -(-config.head_dim // 16) * 16  # whole vectors
        number, steps = {"fp32": (4, 0), "bf16": (2, 0), "int8": (1, 4)}[kv_precision(kv_cache, precision)]
        return config.num_hidden_layers * config.num_key_value_heads * 2 * BLOCK * (size * number + steps)

    def __del__(self) -> None:
        library().sibao_free(self._work)

    def logits(self, step: Step) -> Tensor:
        """See ``engine.runner.Runner``."""
        out = torch.empty(len(step.wanted), self.config.vocab_size)
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
        out = torch.empty(len(hidden), self.config.vocab_size)
        library().sibao_head(
            self.weights.model, hidden.data_ptr(), len(hidden), out.data_ptr(), self._work, self.threads
        )
        return out

    def _run(self, step: Step, hidden: Tensor | None, logits: Tensor | None) -> None:
        for old, new, _ in step.copies:
            self._blocks[:, new] = self._blocks[:, old]
        width = max(map(len, step.tables))
        tables = array("i")
        for table in step.tables:
            tables.extend(table)
            tables.extend([0] * (width - len(table)))
        sent = [array("i", values) for values in (step.ids, step.at, step.first)] + [tables, array("i", step.wanted)]
        used, pointers, rank = self._low.of(step) if any(step.adapters) and self._low else ([], None, 0)
        batch = Batch(
            len(step.ids), len(step.tables), width, len(step.wanted),
            *(values.buffer_info()[0] for values in sent),
            None if hidden is None else hidden.data_ptr(), None if logits is None else logits.data_ptr(),
            None if pointers is None else addressof(pointers), rank, 0,
        )  # fmt: skip
        library().sibao_forward(self.weights.model, batch, self._work, self.threads)
        del used  # their memory was read until here


def kv_precision(kv_cache: str, precision: str) -> str:
    """What keys and values are kept in beside weights in ``precision``, where ``kv_cache`` is asked for."""
    return ("fp32" if precision == "fp32" else "bf16") if kv_cache == "auto" else kv_cache


def step_bytes(config: DecoderConfig, precision: str, tokens: int) -> int:
    """Memory of a step of so many tokens, besides weights, cache and results (``grow`` in decoder.cpp)."""
    D, N = config.hidden_size, config.intermediate_size * (2 if config.gated_mlp else 1)
    qkv = max(config.query_size + 2 * config.key_size, D)
    rows = max(D, config.query_size, config.intermediate_size) * {"fp32": 4, "bf16": 2}.get(precision, 1)
    return tokens * (4 * (2 * D + config.query_size + N + qkv) + rows)
