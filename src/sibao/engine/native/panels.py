"""Memory as the kernels want it, and codes that exist already in the order of matrix.h: panels of 32 outputs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sibao.nn.integer import GROUP, Codes

PANEL = 32
ALIGNED = 64
WORD = 4
"""Inputs of an output that stand side by side."""
Tensors = dict[str, Tensor]


def aligned(size: int) -> Tensor:
    """So many bytes that begin where a cache line does."""
    data = torch.empty(size + ALIGNED, dtype=torch.uint8)
    start = -data.data_ptr() % ALIGNED
    return data[start : start + size]


def placed(data: Tensor) -> Tensor:
    """The bytes of a tensor, copied to where a cache line begins."""
    out = aligned(data.nbytes)
    out.copy_(data.contiguous().view(-1).view(torch.uint8))
    return out


def pack_codes(weight: Codes) -> Tensors:
    """What ``weights.pack`` makes of a float weight, from its codes: ``{precision: bytes}``, for int8 also scale and offset."""
    n, k = weight.codes.shape
    more = -n % PANEL
    if weight.precision == "int4":
        return {"int4": placed(_four(weight, more))}
    whole = F.pad(weight.codes, (0, -k % WORD, 0, more))
    panels = whole.view(-1, PANEL, whole.shape[1] // WORD, WORD).transpose(1, 2)
    offset = -128 * whole.sum(dim=1, dtype=torch.int32)
    return {"int8": placed(panels), "scale": F.pad(weight.steps[:, 0].float(), (0, more)), "offset": offset}


def _four(weight: Codes, more: int) -> Tensor:
    """Groups of each panel: 512 bytes of codes, 8 too large, two a byte, and the 32 steps."""
    whole = F.pad(weight.codes, (0, -weight.codes.shape[1] % GROUP, 0, more)) + 8
    groups = whole.shape[1] // GROUP
    low, high = whole.to(torch.uint8).view(-1, PANEL, groups, GROUP // 8, 2, WORD).unbind(dim=4)
    bytes_ = (low | high << 4).permute(0, 2, 3, 1, 4).reshape(-1, groups, PANEL * GROUP // 2)
    steps = F.pad(weight.steps, (0, 0, 0, more)).view(-1, PANEL, groups).transpose(1, 2).contiguous()
    return torch.cat([bytes_, steps.view(torch.uint8)], dim=-1)
