"""Positions as distances (T5, arXiv 1910.10683, section 2.1) and as sines (arXiv 1706.03762, section 3.5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sibao.nn.linear import embedding


def distance_bucket(distance: Tensor, *, both_ways: bool, buckets: int, longest: int) -> Tensor:
    """The bucket of each distance (key position - query position), int64 of the same shape.

    The first half of the buckets are exact distances, the other half grow logarithmically up to ``longest``; what is
    further shares the last one. ``both_ways`` keeps half of all buckets for keys that come later; otherwise those all
    count as distance 0.
    """
    late = torch.zeros_like(distance)
    if both_ways:
        buckets //= 2
        late = (distance > 0).long() * buckets
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = buckets // 2
    # in float32 and in this order, so that borders round as they did when the checkpoints were trained
    scale = torch.log(distance.float() / exact) / math.log(longest / exact) * (buckets - exact)
    far = (exact + scale.clamp(min=0).long()).clamp(max=buckets - 1)
    return late + torch.where(distance < exact, distance, far)


class RelativeBias(nn.Module):
    """What each head adds to the score of a key at a distance; one table serves all layers of a stack."""

    def __init__(self, heads: int, buckets: int, longest: int, *, both_ways: bool) -> None:
        super().__init__()
        self.table = embedding(buckets, heads)
        self.buckets, self.longest, self.both_ways = buckets, longest, both_ways

    def forward(self, queries_NT: Tensor, keys_S: Tensor) -> Tensor:
        """[N, H, T, S] for query positions [N, T] and key positions [S]."""
        distance = keys_S - queries_NT[:, :, None]
        bucket = distance_bucket(distance, both_ways=self.both_ways, buckets=self.buckets, longest=self.longest)
        out: Tensor = self.table(bucket)
        return out.permute(0, 3, 1, 2)


def sine_table(positions: int, width: int) -> Tensor:
    """float32 [positions, width]: sines in the first half, cosines in the second (Marian's order; the paper mixes them)."""
    rates = torch.arange(0, width, 2, dtype=torch.float64) / width
    angles = torch.arange(positions, dtype=torch.float64)[:, None] / 10000.0**rates
    return torch.cat((angles.sin(), angles[:, : width // 2].cos()), dim=1).float()
