"""Normalisation layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) · weight (arXiv 1910.07467, eq. 4), computed in float32 as checkpoints expect."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


class OffsetRMSNorm(nn.Module):
    """RMSNorm whose weight is kept as the distance from 1 (Gemma), all of it in float32."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return (wide * (1.0 + self.weight.float())).to(x.dtype)


def make_norm(kind: str, size: int, eps: float) -> nn.Module:
    """``rms``, ``rms_offset`` or ``layer`` (LayerNorm with bias, arXiv 1607.06450)."""
    if kind == "layer":
        return nn.LayerNorm(size, eps)
    return OffsetRMSNorm(size, eps) if kind == "rms_offset" else RMSNorm(size, eps)
