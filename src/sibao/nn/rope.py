"""Rotary position embedding (RoFormer, arXiv 2104.09864, eq. 34), in the half-split layout of Llama checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor


def rope_table(head_dim: int, length: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of every position.

    Returns:
        two float32 tensors [length, head_dim]; angle(p, i) = p / theta^(2i / head_dim), both halves alike.
    """
    frequencies = 1.0 / theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x_BHTE: Tensor, cos_BTE: Tensor, sin_BTE: Tensor) -> Tensor:
    """Turn each pair (i, i + E/2) of every head by its position's angle."""
    first, second = x_BHTE.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return x_BHTE * cos_BTE[:, None] + turned * sin_BTE[:, None]
