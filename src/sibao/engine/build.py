"""From a network to an engine: which runner computes it here, and how much memory its cache may take."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from sibao.core.errors import ModelError
from sibao.engine.adapters import Adapters
from sibao.engine.engine import Engine
from sibao.engine.native import store
from sibao.engine.native.library import missing
from sibao.engine.native.runner import NativeRunner
from sibao.engine.native.weights import KINDS, Weights, tensors_of, unsupported
from sibao.engine.quantized import QUANTIZED, quantize_network
from sibao.engine.runner import BLOCK, TorchRunner
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder

log = logging.getLogger("sibao.engine")
CACHE_BYTES = 1 << 30
"""Memory of keys and values while several requests run; one alone may take more."""
PACKED = 256 << 20
"""Bytes of float or bfloat16 weights up to which they are packed when they are loaded. Larger ones come from memory at each
step, and stay where the checkpoint's file is mapped."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def build(
    network: Decoder,
    *,
    family: str | None = None,
    precision: str | None = None,
    max_batch: int = 16,
    cache_bytes: int = CACHE_BYTES,
    threads: int | None = None,
    kernels: bool | None = None,
) -> Engine:
    """An engine on the fastest runner that this machine has for the network.

    Args:
        family: the network's ``model_type``; with it requests may name adapters.
        precision: fp32, bf16, int8 or int4; None: as the weights are.
        cache_bytes: of keys and values while several requests run; a request alone may take more.
        threads: cores to compute with; None: PyTorch's setting.
        kernels: False: PyTorch's own operators; None: the kernels of ``engine.native`` where they can be used.

    Raises:
        ModelError: ``kernels`` is True, and they cannot be used.
    """
    weight = next(network.parameters())
    asked = precision or next((name for name, dtype in DTYPES.items() if dtype == weight.dtype), str(weight.dtype))
    reason = "" if kernels is not False else "not asked for"
    reason = reason or why_not(network.config, asked, weight.device)
    if reason and kernels:
        raise ModelError(f"the kernels cannot compute this model: {reason}")
    plain = cache(lambda: quantize_network(network, asked) if asked in QUANTIZED else network)
    adapters = None if family is None else Adapters(plain if reason else lambda: network, family)
    if reason:
        log.debug("PyTorch's operators compute: %s", reason)
        return _on_torch(plain(), asked, max_batch, cache_bytes, adapters)
    count = sum(p.numel() for p in network.parameters()) * DTYPES[asked].itemsize if asked in DTYPES else 0
    threads = threads or torch.get_num_threads()
    weights = Weights(network.config, asked, dict(tensors_of(network, asked, count <= PACKED, threads)))
    return _on_kernels(weights, plain, Limits(max_batch, cache_bytes, threads), adapters)


@dataclass(frozen=True)
class Limits:
    """How much an engine may use; see ``build``."""

    max_batch: int = 16
    cache_bytes: int = CACHE_BYTES
    threads: int | None = None


def build_packed(
    config: DecoderConfig,
    precision: str,
    files: Sequence[Path],
    network: Callable[[], Decoder],
    limits: Limits = Limits(),
    family: str | None = None,
) -> Engine:
    """An engine in int8 or int4 on the kernels. Its weights come from the cache where they were packed before; else they
    are made of ``network`` one by one, and kept.

    Args:
        files: all that the weights are read from. network: makes the model, its numbers not read yet; called when the
            cache has nothing, or PyTorch's own form of the model is asked for.

    Raises:
        ModelError: the kernels cannot be used: ask ``why_not`` before.
    """
    if reason := why_not(config, precision, torch.device("cpu")):
        raise ModelError(f"the kernels cannot compute this model: {reason}")
    threads = limits.threads or torch.get_num_threads()
    tensors = store.kept(
        store.place(config, precision, files), lambda: tensors_of(network(), precision, packed=True, threads=threads)
    )
    plain = cache(lambda: quantize_network(network(), precision))
    adapters = None if family is None else Adapters(cache(network), family)
    return _on_kernels(Weights(config, precision, tensors), plain, limits, adapters)


def _on_torch(network: Decoder, precision: str, max_batch: int, cache_bytes: int, adapters: Adapters | None) -> Engine:
    dtype = torch.bfloat16 if precision in QUANTIZED else next(network.parameters()).dtype
    size = TorchRunner.block_bytes(network.config, dtype.itemsize)
    runner = TorchRunner(network, capacity(network.config, size, cache_bytes), dtype, adapters)
    return Engine(runner, max_batch, max(1, cache_bytes // size))


def _on_kernels(weights: Weights, network: Callable[[], Decoder], limits: Limits, adapters: Adapters | None) -> Engine:
    size = NativeRunner.block_bytes(weights.config, weights.precision)
    blocks = capacity(weights.config, size, limits.cache_bytes)
    runner = NativeRunner(weights, blocks, limits.threads or torch.get_num_threads(), network, adapters)
    return Engine(runner, limits.max_batch, max(1, limits.cache_bytes // size))


def why_not(config: DecoderConfig, precision: str, device: torch.device) -> str:
    """Why the kernels cannot be used; empty where they can."""
    if device.type != "cpu":
        return f"the weights are on {device}"
    if precision not in KINDS:
        return f"they do not know {precision}"
    return unsupported(config) or missing()


def capacity(config: DecoderConfig, block_bytes: int, cache_bytes: int) -> int:
    """Blocks of a cache that holds ``cache_bytes``, or one text of the greatest length where that is more.

    Memory that is never touched costs nothing; no cache is larger than the machine's memory.
    """
    whole = -(-config.max_position_embeddings // BLOCK)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(max(cache_bytes // block_bytes, whole), memory // block_bytes))
