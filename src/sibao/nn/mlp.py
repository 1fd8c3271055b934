"""Feed-forward layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from sibao.nn.config import DecoderConfig
from sibao.nn.linear import Linear

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
}


class MLP(nn.Module):
    """SwiGLU (arXiv 2002.05202, eq. 6) when gated, else up → activation → down."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        D, F_ = config.hidden_size, config.intermediate_size
        self.activation = ACTIVATIONS[config.activation]
        self.gate_proj = Linear(D, F_, bias=config.mlp_bias) if config.gated_mlp else None
        self.up_proj = Linear(D, F_, bias=config.mlp_bias)
        self.down_proj = Linear(F_, D, bias=config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.gate_proj is None:
            return self.down_proj(self.activation(self.up_proj(x)))
        return self.down_proj(self.activation(self.gate_proj(x)) * self.up_proj(x))
