"""One new token of each of several sequences, in few shapes and on inputs that stay in place, so that a step can be recorded.

A step of a small model on a GPU takes less time than Python needs to launch its hundreds of operators. A CUDA graph
launches all of them at once, but knows shapes and addresses, not values: so the number of sequences and the width of
their tables are rounded up to a few sizes, and tokens, positions and tables are copied into one tensor for each shape that
never moves. (vLLM and SGLang record graphs for a set of batch sizes; the width is a second size here because attention
reads gathered blocks.) On a CPU the same code runs with ``eager`` in place of the recorder.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sibao.engine.paged import PagedCache, PagedView
from sibao.nn.decoder import Decoder
from sibao.nn.moe import ExpertMLP
from sibao.nn.quantized import NF4Linear

log = logging.getLogger("sibao.engine")
Work = Callable[[], Tensor]
"""Computes from tensors that stay where they are."""
Capture = Callable[[Work], Work]
"""Records work: what it gives does the same again, and returns the same tensor each time."""
MOST_GRAPHS = 96
"""Shapes that are kept; the least recently used one is forgotten first."""


def eager(work: Work) -> Work:
    """Nothing is recorded."""
    return work


class Recorder:
    """Records work as CUDA graphs, which share one pool of memory: never two of them run at once."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> Work:
        """See ``Capture``."""
        with torch.cuda.device(self._device):
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):  # libraries make their handles and workspaces, which cannot be recorded
                work()
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # other threads may go on allocating meanwhile
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                result = work()

        def again() -> Tensor:
            graph.replay()
            return result

        return again


def why_eager(model: Decoder) -> str:
    """Why a network's steps cannot be recorded; empty where they can: which operators run must not depend on values."""
    if any(isinstance(layer, ExpertMLP) for layer in model.modules()):
        return "which experts compute is decided on the host"
    if any(isinstance(layer, NF4Linear) for layer in model.modules()):
        return "weights in NF4 are made anew from tables on the host"
    return ""


def rows_bucket(count: int) -> int:
    """Sequences of the shape that ``count`` of them are computed in: a power of two."""
    return 1 << (count - 1).bit_length()


def width_bucket(blocks: int, most: int) -> int:
    """Blocks of a table of that shape: 1, 2, 3, 4, 6, 8, 12, 16 ..., ``most`` at most. Up to a third of what is read is empty."""
    whole = 1 << (blocks - 1).bit_length()
    return min(most, whole // 4 * 3 if blocks <= whole // 4 * 3 else whole)


@dataclass(frozen=True)
class _Shape:
    """Inputs int64 [R, 2 + N] (token, position, table), and what computes hidden states [R, D] from them."""

    inputs: Tensor
    again: Work


class DecodeGraphs:
    """Recorded steps of one network over one cache.

    Rows that only fill a batch up read and write the scratch block; tables are filled up with the empty one.
    """

    def __init__(self, model: Decoder, cache: PagedCache, capture: Capture) -> None:
        self._model, self._cache, self._capture = model, cache, capture
        self._whole = -(-model.config.max_position_embeddings // cache.size)
        self._shapes: OrderedDict[tuple[int, int], _Shape] = OrderedDict()
        for rotary in (model.rotary, model.local_rotary):
            if rotary is not None:  # a table that grew later would lie elsewhere than where it was recorded
                rotary(torch.zeros(1, 1, dtype=torch.long, device=cache.device), rotary.length)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Sequences and blocks of the recorded steps."""
        return list(self._shapes)

    def read(self, rows: Sequence[tuple[int, int, Sequence[int]]]) -> Tensor:
        """Hidden states [R, D] after one token of each sequence; they hold until the next call.

        Args:
            rows: token, position and blocks of each sequence.
        """
        size = self._cache.size
        width = width_bucket(max(at // size + 1 for _, at, _ in rows), self._whole)
        shape = self._shape(rows_bucket(len(rows)), width)
        filled = [[token, at, *self._filled(table[: at // size + 1], width)] for token, at, table in rows]
        filled += [self._nothing(width)] * (len(shape.inputs) - len(rows))
        # pinned: the GPU fetches it by itself, while the next operators are launched
        values = torch.tensor(filled, pin_memory=shape.inputs.is_cuda and torch.cuda.is_available())
        shape.inputs.copy_(values, non_blocking=True)
        return shape.again()[: len(rows)]

    def _shape(self, rows: int, width: int) -> _Shape:
        key = rows, width
        if key not in self._shapes:
            inputs = torch.tensor([self._nothing(width)] * rows, device=self._cache.device)

            def work() -> Tensor:
                view = PagedView(self._cache, inputs[:, 2:])
                states: Tensor = self._model(inputs[:, :1], inputs[:, 1:2], view)
                return states[:, 0]

            self._shapes[key] = _Shape(inputs, self._captured(work, key))
            while len(self._shapes) > MOST_GRAPHS:
                self._shapes.popitem(last=False)
        self._shapes.move_to_end(key)
        return self._shapes[key]

    def _captured(self, work: Work, shape: tuple[int, int]) -> Work:
        try:
            return self._capture(work)
        except RuntimeError as error:  # an operator that cannot be recorded, or no memory for it: slower, and as right
            log.warning("steps of %d sequences and %d blocks are not recorded: %s", *shape, error)
            return work

    def _filled(self, table: Sequence[int], width: int) -> list[int]:
        return [*table, *[self._cache.empty] * (width - len(table))]

    def _nothing(self, width: int) -> list[int]:
        """A row that only fills up: any token at the first position of the scratch block."""
        return [0, 0, *self._filled([self._cache.scratch], width)]
