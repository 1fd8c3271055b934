"""The shape of a decoder. Families translate their ``config.json`` into this; nothing below knows family names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sibao.core.errors import ModelError


@dataclass(frozen=True)
class DecoderConfig:
    """Everything that decides what a decoder computes. Names are Transformers' where it has one."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    max_position_embeddings: int
    norm: Literal["rms", "layer"] = "rms"
    norm_eps: float = 1e-6
    activation: Literal["silu", "gelu_tanh", "gelu"] = "silu"
    gated_mlp: bool = True
    """SwiGLU-like (gate * up) feed-forward; otherwise up, activation, down."""
    positions: Literal["rope", "learned"] = "rope"
    rope_theta: float = 10000.0
    qk_norm: bool = False
    """RMSNorm over each query and key head before RoPE (Qwen3)."""
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = True
    sliding_window: int | None = None
    """Keys further back than this many positions are not seen; None: all are."""
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                 "head_dim", "intermediate_size", "max_position_embeddings")  # fmt: skip
        for name in sizes:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ModelError(f"config: {name} is {value!r}, wanted a whole number of at least 1")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ModelError(
                f"config: {self.num_attention_heads} query heads cannot share {self.num_key_value_heads} key/value heads",
                hint="num_attention_heads must be a multiple of num_key_value_heads",
            )
        if self.positions == "rope" and self.head_dim % 2:
            raise ModelError(f"config: head_dim {self.head_dim} is odd, rotary positions want an even one")

    @property
    def query_size(self) -> int:
        """Width of all query heads together."""
        return self.num_attention_heads * self.head_dim

    @property
    def key_size(self) -> int:
        """Width of all key (or value) heads together."""
        return self.num_key_value_heads * self.head_dim
