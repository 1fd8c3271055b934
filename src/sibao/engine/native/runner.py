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


class NativeRunner:
    """Implements ``engine.runner.Runner`` on this machine's processor.

    A token's result depends on the tokens before it only: not on the batch, on how a prompt was cut into pieces or on
    who read a shared beginning.

    Args:
        blocks: how many the cache can hold; memory that no request has touched costs nothing.
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
    ) -> None:
        self.weights, self.config, self.blocks = weights, weights.config, blocks
        self.threads, self._network = threads, network
        per_layer = self.block_bytes(self.config, weights.precision) // self.config.num_hidden_layers
        self._cache = aligned(self.config.num_hidden_layers * blocks * per_layer + ALIGNED)
        for number, layer in enumerate(weights.layers):
            layer.cache = self._cache.data_ptr() + number * blocks * per_layer
        weights.model.half_cache, weights.model.block_bytes = int(weights.precision != "fp32"), per_layer
        self._work = library().sibao_work()
        self.adapters = adapters
        self._low = None if adapters is None else LowTables(adapters)

    @property
    def model(self) -> Decoder:
        """See ``engine.runner.Runner``."""
        return self._network()

    @staticmethod
    def block_bytes(config: DecoderConfig, precision: str) -> int:
        """Memory of one block in all layers: float32 beside float32 weights, else bfloat16."""
        head = -(-config.head_dim // 16) * 16  # whole vectors
        return (
            config.num_hidden_layers * config.num_key_value_heads * 2 * head * BLOCK * (4 if precision == "fp32" else 2)
        )

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


def step_bytes(config: DecoderConfig, precision: str, tokens: int) -> int:
    """Memory of a step of so many tokens, besides weights, cache and results (``grow`` in decoder.cpp)."""
    D, N = config.hidden_size, config.intermediate_size * (2 if config.gated_mlp else 1)
    qkv = max(config.query_size + 2 * config.key_size, D)
    rows = max(D, config.query_size, config.intermediate_size) * {"fp32": 4, "bf16": 2}.get(precision, 1)
    return tokens * (4 * (2 * D + config.query_size + N + qkv) + rows)
