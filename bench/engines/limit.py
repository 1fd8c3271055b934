"""What this machine could do at best: bytes read and operations done a second, measured in the same run.

A step over R rows reads all weights once and does two operations for each weight and row. Keys and values are not counted.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engines import quiet


@dataclass(frozen=True)
class Limits:
    """Bytes a second, and operations a second by the form of the weights."""

    read: float
    triad: float
    operations: dict[str, float]

    @property
    def bandwidth(self) -> float:
        """The higher of the two: no figure looks better for a slow copy."""
        return max(self.read, self.triad)

    def rate(self, rows: int, weight_bytes: float, numbers: float, weights: str) -> float:
        """Rows a second at most.

        Args:
            rows: that go through the model together.
            weight_bytes: that one step reads.
            numbers: weights that each row is multiplied with.
        """
        form = "int8" if weights.startswith("int") else weights
        seconds = max(weight_bytes / self.bandwidth, 2 * numbers * rows / self.operations[form])
        return rows / seconds


def measure(threads: int, patience: float) -> Limits:
    """Both, by PyTorch, while nobody else computes."""
    import torch

    torch.set_num_threads(threads)
    quiet.wait(None, patience)
    a, b, c = (torch.ones(64 * 2**20) for _ in range(3))
    triad = 3 * a.nbytes / _best(lambda: torch.add(b, c, alpha=3.0, out=a))
    read = a.nbytes / _best(a.sum)
    quiet.wait(None, patience)
    return Limits(read, triad, _operations())


def _operations() -> dict[str, float]:
    """Products of square matrices of 2,048; in int8 the fastest of the ways there are."""
    import torch
    import torch.nn.functional as F

    size = 2048
    work = 2 * size**3
    x, w = torch.randn(size, size), torch.randn(size, size)
    xb, wb = x.bfloat16(), w.bfloat16()
    xi, wi = (torch.randint(-99, 99, (size, size), dtype=torch.int8) for _ in range(2))
    scales, zeros = torch.ones(size, dtype=torch.double), torch.zeros(size, dtype=torch.long)
    ways: list[Callable[[], object]] = [lambda: torch._int_mm(xi, wi.t())]
    with warnings.catch_warnings(action="ignore"):  # PyTorch will drop these products some day
        quantized = torch._make_per_channel_quantized_tensor(wi, scales, zeros, 0)
    for name in {"fbgemm", "onednn"} & set(torch.backends.quantized.supported_engines):
        torch.backends.quantized.engine = name
        packed = torch.ops.quantized.linear_prepack(quantized, None)
        ways.append(lambda p=packed: torch.ops.quantized.linear_dynamic(x, p, True))
    return {
        "fp32": work / _best(lambda: F.linear(x, w)),
        "bf16": work / _best(lambda: F.linear(xb, wb)),
        "int8": work / min(map(_best, ways)),
    }


def _best(work: Callable[[], object], runs: int = 7) -> float:
    """Shortest of a few runs: a limit is what was possible, not what was usual."""
    work()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def multiplied(folder: Path, vocab: int) -> tuple[float, float]:
    """Weights that a token of a prompt is multiplied with, and those that a new token is (the head too)."""
    from safetensors import safe_open

    body, heads = 0, [0]
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  it is no dict
                shape = tensors.get_slice(name).get_shape()
                if len(shape) == 2 and vocab in shape:
                    heads.append(shape[0] * shape[1])
                elif len(shape) == 2:
                    body += shape[0] * shape[1]
    return float(body), float(body + max(heads))
