"""The shape of an encoder. Families translate their ``config.json`` into this; nothing below knows family names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sibao.core.errors import ModelError
from sibao.nn.config import whole_number

Head = Literal["none", "masked", "classify", "token", "span"]
"""What stands on top: nothing (states only), a vocabulary at every position, labels for the whole text, labels at every
position, begin and end of a span."""


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that decides what an encoder computes. Names are Transformers' where it has one.

    The defaults are BERT's (arXiv 1810.04805); ModernBERT (arXiv 2412.13663) turns each of them round.
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    head: Head = "masked"
    labels: tuple[str, ...] = ()
    """Names of the labels, in the order of the logits (``classify`` and ``token``)."""
    multi_label: bool = False
    """Labels do not exclude each other: a sigmoid for each in place of one softmax."""
    norm_first: bool = False
    """Norms before each part and one at the end (pre-norm), the first layer's attention without; else after each sum."""
    norm_eps: float = 1e-12
    norm_bias: bool = True
    activation: Literal["silu", "gelu", "gelu_tanh"] = "gelu"
    gated_mlp: bool = False
    positions: Literal["learned", "rope"] = "learned"
    rope_theta: float = 160000.0
    local_rope_theta: float = 10000.0
    """Rotary base of the layers with a window."""
    window: int = 0
    """Positions that a windowed layer sees to either side."""
    windowed: tuple[bool, ...] = ()
    """Which layers have the window; empty: none."""
    token_types: int = 2
    """Kinds of segments with an embedding of their own; 0: none."""
    attention_bias: bool = True
    mlp_bias: bool = True
    pooler: bool = False
    """A tanh layer over the first position (the whole text's vector in BERT)."""
    transform: bool = True
    """A dense layer, activation and norm before the head's output."""
    transform_bias: bool = True
    transform_activation: Literal["silu", "gelu", "gelu_tanh"] = "gelu"
    output_bias: bool = True
    pooling: Literal["cls", "mean"] = "cls"
    """What of a text the label head reads: its first position, or the mean of all."""
    tie_word_embeddings: bool = True
    initializer_range: float = 0.02
    dropouts: tuple[tuple[str, float | None], ...] = ()
    """Dropout as ``config.json`` names it; kept for whoever trains the model elsewhere."""

    def __post_init__(self) -> None:
        sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                 "max_position_embeddings")  # fmt: skip
        for name in sizes:
            whole_number(name, getattr(self, name))
        if self.hidden_size % self.num_attention_heads:
            raise ModelError(
                f"config: hidden_size {self.hidden_size} is no multiple of {self.num_attention_heads} heads"
            )
        if self.positions == "rope" and self.head_dim % 2:
            raise ModelError(f"config: head_dim {self.head_dim} is odd, rotary positions want an even one")
        if self.windowed and len(self.windowed) != self.num_hidden_layers:
            raise ModelError(
                f"config: layer_types names {len(self.windowed)} layers, there are {self.num_hidden_layers}"
            )
        if self.head in ("classify", "token") and not self.labels:
            raise ModelError("config: a head for labels without labels", hint="id2label lists them")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def outputs(self) -> int:
        """Numbers that the head gives for a position (or text); 0 without a head."""
        return {"none": 0, "masked": self.vocab_size, "span": 2}.get(self.head, len(self.labels))
