"""Rotary position embedding (RoFormer, arXiv 2104.09864, eq. 34), in the half-split layout of Llama checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sibao.nn.scaling import Scaling, frequencies

FIRST_POSITIONS = 4096
"""Positions a table begins with; it doubles when a longer text comes, so that a long context costs nothing unused."""


def rope_table(size: int, length: int, theta: float, scaling: Scaling | None = None) -> tuple[Tensor, Tensor]:
    """Cosines and sines of every position.

    Args:
        size: dims of a head that are turned.

    Returns:
        two float32 tensors [length, size]; angle(p, i) = p / theta^(2i / size), both halves alike.
    """
    inverse = frequencies(size, theta) if scaling is None else scaling.frequencies(size, theta)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), inverse)
    angles = torch.cat((angles, angles), dim=-1)
    if scaling is None or scaling.attention == 1.0:
        return angles.cos(), angles.sin()
    return angles.cos() * scaling.attention, angles.sin() * scaling.attention


class Rotary(nn.Module):
    """Cosines and sines by position, in float32 whatever the precision of the weights.

    Args:
        size: dims of a head that are turned. length: positions the model holds.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, size: int, length: int, theta: float, scaling: Scaling | None = None) -> None:
        super().__init__()
        self.size, self.length, self.theta, self.scaling = size, length, theta, scaling
        self._fill(min(length, FIRST_POSITIONS), None)

    def _fill(self, length: int, device: torch.device | None) -> None:
        with torch.inference_mode(False):  # the table outlives a generation, and training differentiates through it
            cos, sin = rope_table(self.size, length, self.theta, self.scaling)
            self.register_buffer("cos", cos.to(device), persistent=False)
            self.register_buffer("sin", sin.to(device), persistent=False)

    def forward(self, positions_BT: Tensor, reach: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines [B, T, size] of positions, all of which lie below ``reach``."""
        if reach > len(self.cos) and len(self.cos) < self.length:
            self._fill(min(self.length, max(reach, 2 * len(self.cos))), self.cos.device)
        return self.cos[positions_BT], self.sin[positions_BT]


def rotate(x_BHTE: Tensor, cos_BTE: Tensor, sin_BTE: Tensor) -> Tensor:
    """Turn each pair (i, i + E/2) of every head by its position's angle; dims beyond the table's width stay."""
    size = cos_BTE.shape[-1]
    if size < x_BHTE.shape[-1]:
        turned = rotate(x_BHTE[..., :size], cos_BTE, sin_BTE)
        return torch.cat((turned, x_BHTE[..., size:].to(turned.dtype)), dim=-1)
    first, second = x_BHTE.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return x_BHTE * cos_BTE[:, None] + turned * sin_BTE[:, None]
