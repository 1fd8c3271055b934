"""Ways to stretch rotary positions beyond the length a model was pretrained on. Fields are named as in ``config.json``.

Each gives the inverse frequencies of the rotation, and a factor on its cosines and sines, as Transformers computes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def frequencies(size: int, theta: float) -> Tensor:
    """theta^(-2i / size) for each pair i, float32 [size / 2] (RoFormer, arXiv 2104.09864, section 3.2.2)."""
    return 1.0 / theta ** (torch.arange(0, size, 2, dtype=torch.float32) / size)


@dataclass(frozen=True)
class LinearScaling:
    """Positions divided by ``factor`` (position interpolation, arXiv 2306.15595)."""

    factor: float

    @property
    def attention(self) -> float:
        """Factor on cosines and sines."""
        return 1.0

    def frequencies(self, size: int, theta: float) -> Tensor:
        """Inverse frequencies of a rotation of ``size`` dims."""
        return frequencies(size, theta) / self.factor


@dataclass(frozen=True)
class Llama3Scaling:
    """Long waves are stretched, short ones kept, those between blended (Llama 3.1's model code)."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int

    @property
    def attention(self) -> float:
        """Factor on cosines and sines."""
        return 1.0

    def frequencies(self, size: int, theta: float) -> Tensor:
        """Inverse frequencies of a rotation of ``size`` dims."""
        plain = frequencies(size, theta)
        turns = self.original_max_position_embeddings * plain / (2 * math.pi)
        kept = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        kept = kept.clamp(0, 1)
        return (1 - kept) * plain / self.factor + kept * plain


@dataclass(frozen=True)
class YarnScaling:
    """Blends stretched and plain frequencies by how often each turns in the original length (YaRN, arXiv 2309.00071)."""

    factor: float
    original_max_position_embeddings: int
    attention_factor: float | None = None
    beta_fast: float | None = None
    beta_slow: float | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool = True
    """Whether the ends of the blend are whole dims."""

    @property
    def attention(self) -> float:
        """Factor on cosines and sines (eq. 22; with two scales as DeepSeek has it)."""
        if self.attention_factor is not None:
            return self.attention_factor
        if self.mscale and self.mscale_all_dim:
            return self._temperature(self.mscale) / self._temperature(self.mscale_all_dim)
        return self._temperature(1.0)

    def _temperature(self, scale: float) -> float:
        return 1.0 if self.factor <= 1 else 0.1 * scale * math.log(self.factor) + 1.0

    def frequencies(self, size: int, theta: float) -> Tensor:
        """Inverse frequencies of a rotation of ``size`` dims (eqs. 17-21)."""
        low, high = (self._dim_of(turns, size, theta) for turns in (self.beta_fast or 32, self.beta_slow or 1))
        if self.truncate:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, size - 1)
        width = high - low or 0.001
        stretched = ((torch.arange(size // 2, dtype=torch.float32) - low) / width).clamp(0, 1)
        plain = frequencies(size, theta)
        return plain / self.factor * stretched + plain * (1 - stretched)

    def _dim_of(self, turns: float, size: int, theta: float) -> float:
        """The dim whose wave turns so often within the original length."""
        return size * math.log(self.original_max_position_embeddings / (turns * 2 * math.pi)) / (2 * math.log(theta))


@dataclass(frozen=True)
class LongScaling:
    """A factor for every frequency, one set for texts within the original length and one for longer ones (LongRoPE,
    arXiv 2402.13753). Only the first set is computed with: a text that grows past the original length would change the
    rotation of keys already in the cache. Such a model therefore holds ``original_max_position_embeddings`` positions.
    """

    short_factor: tuple[float, ...]
    long_factor: tuple[float, ...]
    original_max_position_embeddings: int
    extended_max_position_embeddings: int
    """The length that the checkpoint names; it decides the factor on cosines and sines."""
    factor: float | None = None
    attention_factor: float | None = None

    @property
    def attention(self) -> float:
        """Factor on cosines and sines."""
        if self.attention_factor is not None:
            return self.attention_factor
        factor = self.factor or self.extended_max_position_embeddings / self.original_max_position_embeddings
        if factor <= 1:
            return 1.0
        return math.sqrt(1 + math.log(factor) / math.log(self.original_max_position_embeddings))

    def frequencies(self, size: int, theta: float) -> Tensor:
        """Inverse frequencies of a rotation of ``size`` dims."""
        return frequencies(size, theta) / torch.tensor(self.short_factor, dtype=torch.float32)


Scaling = LinearScaling | Llama3Scaling | YarnScaling | LongScaling
