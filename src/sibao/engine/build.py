"""From a network to an engine: which runner computes it here, and how much memory its cache may take."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from sibao.core.errors import BadInput, ModelError, UnknownName
from sibao.engine.adapters import Adapters
from sibao.engine.engine import Engine
from sibao.engine.native import store
from sibao.engine.native.library import COMPILING, missing, missing_now, ready
from sibao.engine.native.pair_runner import NativePairRunner
from sibao.engine.native.pair_weights import PairWeights, pair_tensors_of
from sibao.engine.native.panels import Tensors
from sibao.engine.native.runner import KV_PRECISIONS, NativeRunner
from sibao.engine.native.weights import KINDS, Weights, tensors_of, unsupported
from sibao.engine.pair_runner import TorchPairRunner
from sibao.engine.quantized import QUANTIZED, quantize_network
from sibao.engine.runner import BLOCK, Config, Runner
from sibao.engine.torch_runner import TorchRunner
from sibao.nn.decoder import Decoder
from sibao.nn.seq2seq import Seq2Seq
from sibao.nn.seq2seq_config import Seq2SeqConfig

log = logging.getLogger("sibao.engine")
CACHE_BYTES = 1 << 30
"""Memory of keys and values while several requests run; one alone may take more."""
PACKED = 512 << 20
"""Bytes of float or bfloat16 weights up to which they are packed when they are loaded. Larger ones come from memory at each
step, and stay where the checkpoint's file is mapped."""
TEXTS = 128
"""Texts of an encoder-decoder that are written at once, each beam being one: steps of small models cost little more."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def build(
    network: Decoder | Seq2Seq,
    *,
    family: str | None = None,
    precision: str | None = None,
    max_batch: int | None = None,
    cache_bytes: int | None = None,
    threads: int | None = None,
    kernels: bool | None = None,
    kv_cache: str = "auto",
    deterministic: bool = False,
) -> Engine:
    """An engine on the fastest runner that this machine has for the network.

    Args:
        family: the network's ``model_type``; with it requests may name adapters.
        precision: fp32, bf16, int8 or int4; None: as the weights are.
        max_batch: texts that are written at once, each beam being one; None: ``TEXTS`` of such networks.
        cache_bytes: of keys and values while several requests run; a request alone may take more. None: ``CACHE_BYTES``, or
            on a GPU half of its memory that is free.
        threads: cores to compute with; None: PyTorch's setting.
        kernels: False: PyTorch's own operators; None: the kernels of ``engine.native`` where they can be used. Where they are
            still to be compiled, PyTorch's operators compute until they are there and the engine is idle; True, and what
            only the kernels can do, waits for them.
        kv_cache: what keys and values are kept in, fp32, bf16 or int8; auto: fp32 beside such weights, else bf16.
        deterministic: a request's tokens are the same to the bit alone, in any batch and in another process on this machine
            with as many threads. The kernels are so by themselves; PyTorch's operators then take the time of a block of
            positions for each token (``torch_runner.TorchRunner`` says what differs without).

    Raises:
        UnknownName: no such ``kv_cache``.
        BadInput: int8 there without the kernels, or an encoder-decoder in whole numbers or deterministic without them.
        ModelError: ``kernels`` is True, and they cannot be used.
    """
    refuse_kv_cache(kv_cache)
    weight = next(network.parameters())
    asked = precision or next((name for name, dtype in DTYPES.items() if dtype == weight.dtype), str(weight.dtype))
    reason = "" if kernels is not False else "not asked for"
    wait = bool(kernels) or deterministic or kv_cache == "int8" or (asked in QUANTIZED and isinstance(network, Seq2Seq))
    reason = reason or why_not(network.config, asked, weight.device, wait)
    if reason and kernels:
        raise ModelError(f"the kernels cannot compute this model: {reason}")
    limits = Limits(max_batch, free_for_cache(weight.device) if cache_bytes is None else cache_bytes, threads, kv_cache)
    if not reason:
        return _from_network(network, asked, limits, family)
    log.debug("PyTorch's operators compute: %s", reason)
    if kv_cache == "int8":
        raise BadInput(f"int8 keys and values need Sibao's kernels: {reason}", hint="take auto, fp32 or bf16")
    if isinstance(network, Seq2Seq):
        if asked in QUANTIZED or deterministic:
            what = asked if asked in QUANTIZED else "deterministic"
            raise BadInput(f"{what} needs Sibao's kernels for an encoder-decoder: {reason}", hint="leave it out")
        made = _pair_on_torch(network, limits)
    else:
        made = _on_torch(_plain(network, asked), asked, limits, family, deterministic)
    if reason == COMPILING:
        made.better = lambda: _from_network(network, asked, limits, family) if ready() else None
    return made


@dataclass(frozen=True)
class Limits:
    """How much an engine may use; see ``build``."""

    max_batch: int | None = None
    cache_bytes: int = CACHE_BYTES
    threads: int | None = None
    kv_cache: str = "auto"


def build_packed(
    config: Config,
    precision: str,
    files: Sequence[Path],
    network: Callable[[], Decoder | Seq2Seq],
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
    refuse_kv_cache(limits.kv_cache)
    if reason := why_not(config, precision, torch.device("cpu")):
        raise ModelError(f"the kernels cannot compute this model: {reason}")
    threads = limits.threads or torch.get_num_threads()
    tensors = store.kept(
        store.place(config, precision, files), lambda: _tensors(network(), precision, packed=True, threads=threads)
    )
    return _on_kernels(config, precision, tensors, cache(network), limits, family)


def _from_network(network: Decoder | Seq2Seq, precision: str, limits: Limits, family: str | None) -> Engine:
    count = sum(p.numel() for p in network.parameters()) * DTYPES[precision].itemsize if precision in DTYPES else 0
    tensors = dict(_tensors(network, precision, count <= PACKED, limits.threads or torch.get_num_threads()))
    return _on_kernels(network.config, precision, tensors, cache(lambda: network), limits, family)


def _tensors(
    network: Decoder | Seq2Seq, precision: str, packed: bool, threads: int
) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(network, Seq2Seq):
        return pair_tensors_of(network, precision, packed, threads)
    return tensors_of(network, precision, packed, threads)


def _plain(network: Decoder | Seq2Seq, precision: str) -> Any:
    """The network as PyTorch's operators compute it; an encoder-decoder in whole numbers is there as it was before."""
    return quantize_network(network, precision) if precision in QUANTIZED and isinstance(network, Decoder) else network


def _on_torch(network: Decoder, precision: str, limits: Limits, family: str | None, deterministic: bool) -> Engine:
    usual = torch.bfloat16 if precision in QUANTIZED else next(network.parameters()).dtype
    dtype = DTYPES.get(limits.kv_cache, usual)
    size = TorchRunner.block_bytes(network.config, dtype.itemsize)
    blocks = capacity(network.config, size, limits.cache_bytes, next(network.parameters()).device)
    adapters = None if family is None else Adapters(lambda: network, family)
    runner = TorchRunner(network, blocks, dtype, adapters, deterministic)
    return _engine(runner, limits, size)


def _pair_on_torch(network: Seq2Seq, limits: Limits) -> Engine:
    size = TorchPairRunner.block_bytes(network.config, next(network.parameters()).dtype.itemsize)
    return _engine(TorchPairRunner(network, capacity(network.config, size, limits.cache_bytes)), limits, size)


def _on_kernels(
    config: Config, precision: str, tensors: Tensors, network: Callable[[], Any], limits: Limits, family: str | None
) -> Engine:
    size = NativeRunner.block_bytes(config, precision, limits.kv_cache)
    blocks = capacity(config, size, limits.cache_bytes)
    threads, plain = limits.threads or torch.get_num_threads(), cache(lambda: _plain(network(), precision))
    if isinstance(config, Seq2SeqConfig):
        pair = PairWeights(config, precision, tensors)
        return _engine(NativePairRunner(pair, blocks, threads, plain, None, limits.kv_cache), limits, size)
    adapters = None if family is None else Adapters(network, family)
    weights = Weights(config, precision, tensors)
    return _engine(NativeRunner(weights, blocks, threads, plain, adapters, limits.kv_cache), limits, size)


def _engine(runner: Runner, limits: Limits, block_bytes: int) -> Engine:
    texts = limits.max_batch or (TEXTS if isinstance(runner.config, Seq2SeqConfig) else 16)
    return Engine(runner, texts, max(1, limits.cache_bytes // block_bytes))


def free_for_cache(device: torch.device) -> int:
    """Bytes of keys and values where nobody says how many."""
    return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else CACHE_BYTES


def refuse_kv_cache(kv_cache: str) -> None:
    """Refuse what keys and values cannot be kept in.

    Raises:
        UnknownName: as it says.
    """
    if kv_cache not in ("auto", *KV_PRECISIONS):
        raise UnknownName("kv_cache", kv_cache, ["auto", *KV_PRECISIONS])


def why_not(config: Config, precision: str, device: torch.device, wait: bool = True) -> str:
    """Why the kernels cannot be used; empty where they can. ``wait``: until they are compiled; else only what is there
    counts, and compiling begins."""
    if device.type != "cpu":
        return f"the weights are on {device}"
    if precision not in KINDS:
        return f"they do not know {precision}"
    return unsupported(config) or (missing() if wait else missing_now())


def capacity(config: Config, block_bytes: int, cache_bytes: int, device: torch.device | None = None) -> int:
    """Blocks of a cache that holds ``cache_bytes``, or one text of the greatest length where that is more.

    Memory that is never touched costs nothing; no cache is larger than the machine's memory. That of a GPU is taken at
    once: no cache is larger than nine tenths of what is free there.
    """
    whole = -(-config.max_position_embeddings // BLOCK)
    if device is not None and device.type == "cuda":
        memory = torch.cuda.mem_get_info(device)[0] * 9 // 10
    else:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(max(cache_bytes // block_bytes, whole), memory // block_bytes))
