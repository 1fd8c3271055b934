"""Linear layers in eight and four bits, computed with integers: what the engine's kernels do, in plain PyTorch.

Weights: in eight bits one step for each output, the largest magnitude / 127; in four bits one step (a bfloat16) for each 32
inputs of an output, the one of twelve candidates that loses least. Activations are rounded to eight bits with one step for
each row, so that a row's result does not depend on its neighbours (LLM.int8(), arXiv 2208.07339, section 3.1, vector-wise).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sibao.core.errors import BadInput

GROUP = 32
"""Inputs that share a step in four bits."""
REACHES = tuple((2 * c - 88) / 10 for c in range(12))
"""What the largest weight of a group is divided by for each candidate: it takes the longer, negative side of -8..7."""
TINY = 1e-36
"""A largest magnitude below this counts as 0: its inverse would overflow."""
_PIECE = 1 << 20
"""Weights that are quantised at once: what is made on the way stays small."""


@dataclass(frozen=True)
class Codes:
    """A quantised weight [n, k]. ``codes`` int8 [n, k]; ``steps`` float32 [n, 1] in int8, bfloat16 [n, ⌈k / 32⌉] in int4."""

    codes: Tensor
    steps: Tensor
    precision: str

    @staticmethod
    def joined(parts: list[Codes]) -> Codes:
        """Outputs of several weights as those of one."""
        return Codes(torch.cat([p.codes for p in parts]), torch.cat([p.steps for p in parts]), parts[0].precision)

    def dequantized(self) -> Tensor:
        """The weight that the codes stand for, float32 [n, k]."""
        steps = self.steps.float()
        if self.precision == "int4":
            steps = steps.repeat_interleave(GROUP, dim=1)[:, : self.codes.shape[1]]
        return self.codes * steps


def inverse_of(largest: Tensor, reach: float) -> Tensor:
    """reach / largest, and 0 for what counts as nothing."""
    # a tensor on top: of a number PyTorch makes a product with the reciprocal, which rounds twice
    return torch.where(largest > TINY, torch.full_like(largest, reach) / largest, 0.0)


def quantize(weight: Tensor, precision: str) -> Codes:
    """A weight [n, k] of any float precision, to the bit as ``engine.native`` packs it."""
    rows = max(1, _PIECE // weight.shape[1])
    one = _eight if precision == "int8" else _four
    return Codes.joined([one(piece.detach().float()) for piece in weight.split(rows)])


def _eight(weight: Tensor) -> Codes:
    largest = weight.abs().amax(dim=1, keepdim=True)
    return Codes((weight * inverse_of(largest, 127.0)).round().to(torch.int8), largest / 127, "int8")


def _four(weight: Tensor) -> Codes:
    n, k = weight.shape
    groups = F.pad(weight, (0, -k % GROUP)).view(n, -1, GROUP)
    top = groups.gather(-1, groups.abs().argmax(dim=-1, keepdim=True))  # [n, groups, 1]
    top = torch.where(top.abs() > TINY, top, 0.0)
    best = torch.zeros_like(top)
    least = torch.full_like(top, torch.inf, dtype=torch.float64)
    for reach in torch.tensor(REACHES, device=weight.device):
        step = (top / reach).bfloat16().float()
        codes = (groups / step).round().clamp(-8, 7)
        loss = (groups.double() - step.double() * codes.double()).square().sum(dim=-1, keepdim=True)
        better = (loss < least) & (step != 0)
        best, least = torch.where(better, step, best), torch.where(better, loss, least)
    inverse = torch.where(best != 0, 1 / best, 0.0)
    codes = (groups * inverse).round().clamp(-8, 7).to(torch.int8)
    return Codes(codes.view(n, -1)[:, :k].contiguous(), best.squeeze(-1).bfloat16(), "int4")


def round_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Activations [M, k] in eight bits: whole numbers, float32 [M, k], and the step of each row [M, 1].

    Products are rounded once, ties to even, as a processor that multiplies and adds in one operation does.
    """
    largest = x.abs().amax(dim=-1, keepdim=True)
    exact = x.double() * inverse_of(largest, 127.0).double()
    return exact.round().nan_to_num(0.0, 0.0, 0.0).float(), largest / 127


class IntegerLinear(nn.Module):
    """y = x Wᵀ + b with W in eight or four bits and x rounded to eight, row by row.

    Args:
        bias: float [n], or None.
    """

    codes: Tensor
    steps: Tensor

    def __init__(self, weight: Codes, bias: Tensor | None = None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.codes.shape
        self.precision = weight.precision
        kept = weight.codes.contiguous()
        self.register_buffer("codes", kept if self.precision == "int8" else pack_nibbles(kept))
        self.register_buffer("steps", weight.steps.contiguous())
        self.bias = None if bias is None else nn.Parameter(bias.detach().float(), requires_grad=False)

    @property
    def coded(self) -> Codes:
        """Codes and steps."""
        whole = self.codes if self.precision == "int8" else unpack_nibbles(self.codes, self.in_features)
        return Codes(whole, self.steps, self.precision)

    def dequantized(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """The weight [out, in] that the codes stand for."""
        return self.coded.dequantized().to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        rows, step = round_rows(x.reshape(-1, self.in_features).float())
        if self.precision == "int8":
            y = _product(rows, self.codes) * (self.steps.T * step)
        else:
            y = F.linear(rows, self.dequantized()) * step
        if self.bias is not None:
            y = y + self.bias
        return y.view(*x.shape[:-1], -1).to(x.dtype)


def _product(rows: Tensor, codes: Tensor) -> Tensor:
    """Exact sums of products of whole numbers, as floats [M, n]."""
    if rows.device.type == "cpu" and rows.shape[1] > 1:  # with one input it gives nonsense (PyTorch 2.13)
        return torch._int_mm(rows.to(torch.int8), codes.T).float()
    return F.linear(rows.double(), codes.double()).float()


def pack_nibbles(codes: Tensor) -> Tensor:
    """Two codes of four bits a byte, the earlier one in the low half; uint8 [n, ⌈k / 2⌉]."""
    pairs = F.pad(codes + 8, (0, codes.shape[1] % 2)).to(torch.uint8).view(len(codes), -1, 2)
    return pairs[..., 0] | pairs[..., 1] << 4


def unpack_nibbles(packed: Tensor, k: int) -> Tensor:
    """The codes, int8 [n, k]."""
    both = torch.stack((packed & 15, packed >> 4), dim=-1).view(len(packed), -1)
    return both[:, :k].to(torch.int8) - 8


class HeadEmbedding(nn.Module):
    """Embeddings read from the vocabulary matrix in eight bits that they are tied to."""

    codes: Tensor
    steps: Tensor

    def __init__(self, head: IntegerLinear) -> None:
        super().__init__()
        if head.precision != "int8":
            raise BadInput(f"the vocabulary matrix is in {head.precision}, wanted int8")
        self.register_buffer("codes", head.codes)
        self.register_buffer("steps", head.steps)

    def forward(self, ids: Tensor) -> Tensor:
        return self.codes[ids] * self.steps[ids]
