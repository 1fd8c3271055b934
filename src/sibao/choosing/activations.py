"""What a forward, or a step of training, holds in memory besides the weights: the code itself is run on tensors that have
shapes and no memory, and what it keeps is counted.

So the figures follow the network, whatever its family, its precision and its adapters; nothing is fitted. Two depths are
run and the rest is a straight line, because every layer keeps the same.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sibao.choosing.shapes import Shape, with_layers
from sibao.models.adapter import sites
from sibao.models.folder import new_network
from sibao.nn.cache import KVCache
from sibao.nn.decoder import Decoder
from sibao.nn.lora import LoraSpec, wrap
from sibao.nn.network import Network
from sibao.nn.quantized import freeze_base
from sibao.training import loss

SHALLOW = 2
"""Layers of the smaller network that is run; the other has one more."""


MAPPED = 32 * 2**20
"""glibc takes pieces as large as this from the system and gives them back at once (mallopt(3): M_MMAP_THRESHOLD grows no
further); smaller ones come from its heap, where freed ones leave holes."""


class Counter(TorchDispatchMode):
    """Bytes of all tensors that were made inside and still live; ``peak`` is the most there were, ``heap`` the part of it
    that lay in the C library's heap."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = self.heap = self._small = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, then count what it made."""
        inputs = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in inputs:
                self._add(tensor.untyped_storage())
        return out

    def _add(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        weakref.finalize(storage, self._drop, key, size)
        self._count(size)
        if self.live > self.peak:
            self.restart()

    def _count(self, size: int) -> None:
        self.live += size
        if abs(size) < MAPPED:
            self._small += size

    def restart(self) -> None:
        """The peak is what lives now."""
        self.peak, self.heap = self.live, self._small

    def _drop(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._count(-size)


@contextmanager
def imagined() -> Iterator[None]:
    """Tensors made in the block have shapes and no memory."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


@dataclass(frozen=True)
class Step:
    """Most bytes that live at once in one micro-batch of training, weights left out.

    ``forward``: up to the loss and on the way back, until the first layer is reached: all that the layers keep.
    ``backward``: from there on, where all gradients are there and little else. ``heap``: the part of ``forward`` in
    tensors smaller than ``MAPPED``.
    """

    forward: float
    backward: float
    heap: float

    @property
    def peak(self) -> int:
        """The larger of both."""
        return round(max(self.forward, self.backward))


def prefill_bytes(shape: Shape, dtype: torch.dtype, rows: int, tokens: int, slots: int) -> int:
    """Most bytes that reading a piece of prompts takes besides weights and cache, the next token's scores included.

    Args:
        rows: texts read together. tokens: of each, in this piece. slots: positions of the cache that it looks at.
    """
    with imagined(), torch.inference_mode(), _precision(dtype):
        network: Any = new_network(with_layers(shape.config, SHALLOW)).eval()
        view = None
        if isinstance(network, Decoder):
            view = KVCache(network.config, rows, slots, dtype).view(None, slots)
        with Counter() as counter:
            if view is None:
                hidden = _forward(network, rows, tokens)
            else:
                positions = torch.arange(slots - tokens, slots).expand(rows, -1)
                hidden = network(torch.zeros(rows, tokens, dtype=torch.long), positions, view)
            if hasattr(network, "lm_head"):
                network.logits(hidden[:, -1]).softmax(-1)
    return counter.peak


@contextmanager
def _precision(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def trained_numbers(shape: Shape, method: str, rank: int = 16) -> int:
    """Parameters that a way of training changes."""
    if method == "full":
        return shape.parameters
    counts = []
    for layers in (SHALLOW, SHALLOW + 1):
        with torch.device("meta"):
            network = _adapted(shape, method, "fp32", rank, layers)
        counts.append(sum(p.numel() for p in network.parameters() if p.requires_grad))
    return counts[0] + (counts[1] - counts[0]) * (shape.layers - SHALLOW)


def _adapted(shape: Shape, method: str, precision: str, rank: int, layers: int) -> Network:
    network = new_network(with_layers(shape.config, layers)).train()
    if method != "full":
        network.requires_grad_(False)
        freeze_base(network, "auto", precision)
        spec = LoraSpec(rank, 2.0 * rank, dora=method == "dora")
        wrap(network, [site.parts for site in sites(network, shape.family).values()], spec)
    return network


@lru_cache(maxsize=64)
def training_step(shape: Shape, method: str, precision: str, rows: int, tokens: int, rank: int = 16) -> Step:
    """What one micro-batch of ``rows`` rows of ``tokens`` tokens holds at most.

    Args:
        method: ``full``, ``lora``, ``dora`` or ``qlora`` (counted like ``lora``; its layers keep no weights for the
            way back, but make one at a time again).
        precision: ``bf16`` (autocast; weights that are trained stay float32) or ``fp32``.
    """
    if method == "qlora":
        plain = training_step(shape, "lora", precision, rows, tokens, rank)
        one = 14 * max(shape.stacked // max(shape.layers, 1) // 4, 1)
        return Step(plain.forward + one, max(plain.backward, one), plain.heap + one)
    small, large = (_measure(shape, method, precision, rows, tokens, rank, SHALLOW + more) for more in (0, 1))
    rest = shape.layers - SHALLOW
    return Step(*(a + max(b - a, 0) * rest for a, b in zip(small, large, strict=True)))


def _measure(
    shape: Shape, method: str, precision: str, rows: int, tokens: int, rank: int, layers: int
) -> tuple[int, int, int]:
    """Peaks before and after the way back reaches the first layer, of a network of so many layers, and what of the first
    lay in the heap."""
    with imagined():
        network = _adapted(shape, method, precision, rank, layers)
        with Counter() as counter:
            ahead = _until_first_layer(network, counter)
            with _autocast(precision):
                total = _loss(network, _forward(network, rows, tokens))
            total.backward()
    first, heap = ahead or (counter.peak, counter.heap)
    return first, counter.peak, heap


def _until_first_layer(network: Network, counter: Counter) -> list[int]:
    """At the first gradient of layer 0 the peak and its part in the heap go into the list, and are counted anew."""
    found: list[int] = []

    def restart(_: Tensor) -> None:
        if not found:
            found.extend((counter.peak, counter.heap))
            counter.restart()

    for name, parameter in network.named_parameters():
        if "layers.0." in name and parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(restart)
    return found


def _autocast(precision: str) -> AbstractContextManager[object]:
    return torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()


def _forward(network: Network, rows: int, tokens: int) -> Tensor:
    ids = torch.zeros(rows, tokens, dtype=torch.long)
    if hasattr(network, "encode"):  # an encoder-decoder: as many tokens on both sides
        hidden: Tensor = network(ids, torch.ones(rows, tokens, dtype=torch.bool), ids)
        return hidden
    hidden = network(ids)
    return hidden


def _loss(network: nn.Module, hidden: Tensor) -> Tensor:
    """A loss on every position, as in ``training.loss``, which drops those without one by a shape that depends on data."""
    head = getattr(network, "lm_head", None)
    if head is None:
        return hidden.sum()
    flat = hidden.reshape(-1, hidden.shape[-1]).clone()
    targets = torch.zeros(len(flat), dtype=torch.long)
    total: Tensor = loss._ChunkedCrossEntropy.apply(flat, head.weight.to(flat.dtype), targets)
    return total
