"""What stands on an encoder: a pooler over the first position, and the transform before a head's output."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sibao.nn.encoder_config import EncoderConfig
from sibao.nn.linear import Linear
from sibao.nn.mlp import ACTIVATIONS


class Pooler(nn.Module):
    """tanh(W h₀ + b): the vector of a whole text (BERT, arXiv 1810.04805, section 3.1)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.dense = Linear(size, size)

    def forward(self, first_BD: Tensor) -> Tensor:
        return torch.tanh(self.dense(first_BD))


class Transform(nn.Module):
    """Dense layer, activation, norm (BERT's ``cls.predictions.transform``, ModernBERT's ``head``)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size, bias=config.transform_bias)
        self.activation = ACTIVATIONS[config.transform_activation]
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_eps, bias=config.norm_bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.norm(self.activation(self.dense(hidden)))


def first_position(hidden_BTD: Tensor, mask_BT: Tensor | None) -> Tensor:
    """States [B, D] of the first position of each text, whichever side the padding stands on."""
    if mask_BT is None:
        return hidden_BTD[:, 0]
    return hidden_BTD[torch.arange(len(hidden_BTD), device=hidden_BTD.device), mask_BT.int().argmax(dim=1)]


def mean_position(hidden_BTD: Tensor, mask_BT: Tensor | None) -> Tensor:
    """Mean state [B, D] over the real positions of each text."""
    if mask_BT is None:
        return hidden_BTD.mean(dim=1)
    weight = mask_BT[..., None].to(hidden_BTD.dtype)
    return (hidden_BTD * weight).sum(dim=1) / weight.sum(dim=1)
