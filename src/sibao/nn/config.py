"""The shape of a decoder. Families translate their ``config.json`` into this; nothing below knows family names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sibao.core.errors import ModelError
from sibao.nn.scaling import LongScaling, Scaling


@dataclass(frozen=True)
class Experts:
    """The feed-forward layers that are mixtures of experts."""

    count: int
    per_token: int
    """Experts that each token uses."""
    intermediate_size: int
    layers: tuple[int, ...]
    """Numbers of the layers that have experts; the others have one feed-forward of the model's own size."""
    normalized: bool = True
    """Whether the weights of a token's experts sum to 1."""

    def __post_init__(self) -> None:
        for name in ("count", "per_token", "intermediate_size"):
            whole_number(name + " of experts", getattr(self, name))
        if self.per_token > self.count:
            raise ModelError(f"config: each token wants {self.per_token} of {self.count} experts")


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
    norm: Literal["rms", "rms_offset", "layer"] = "rms"
    """``rms_offset``: the weight is kept as its distance from 1."""
    norm_eps: float = 1e-6
    output_norms: bool = False
    """Norms also after attention and feed-forward, before each is added to the residual stream."""
    activation: Literal["silu", "gelu_tanh", "gelu"] = "silu"
    gated_mlp: bool = True
    """SwiGLU-like (gate * up) feed-forward; otherwise up, activation, down."""
    experts: Experts | None = None
    positions: Literal["rope", "learned"] = "rope"
    rope_theta: float = 10000.0
    rope_scaling: Scaling | None = None
    local_rope_theta: float | None = None
    """Base of the rotation in layers with a window, which is never scaled; None: as in the others."""
    partial_rotary_factor: float = 1.0
    """Part of each head's dims that is turned."""
    qk_norm: bool = False
    """RMSNorm over each query and key head before RoPE (Qwen3, Gemma 3)."""
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = True
    sliding_window: int | None = None
    """Keys this many positions back, or further, are not seen; None: all are."""
    windowed_layers: tuple[bool, ...] | None = None
    """Which layers the window holds in; None: in all."""
    query_pre_attn_scalar: float | None = None
    """Attention scores are divided by the root of this; None: of ``head_dim``."""
    attention_softcap: float | None = None
    """Scores s become cap · tanh(s / cap) before the softmax."""
    logit_softcap: float | None = None
    scaled_embeddings: bool = False
    """Embeddings are multiplied by the root of ``hidden_size``."""
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        for name in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                     "head_dim", "intermediate_size", "max_position_embeddings"):  # fmt: skip
            whole_number(name, getattr(self, name))
        if self.sliding_window is not None:
            whole_number("sliding_window", self.sliding_window)
        for name in ("query_pre_attn_scalar", "attention_softcap", "logit_softcap"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise ModelError(f"config: {name} is {value!r}, wanted a number above 0")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ModelError(
                f"config: {self.num_attention_heads} query heads cannot share {self.num_key_value_heads} key/value heads",
                hint="num_attention_heads must be a multiple of num_key_value_heads",
            )
        if self.windowed_layers is not None and len(self.windowed_layers) != self.num_hidden_layers:
            raise ModelError(
                f"config: layer_types names {len(self.windowed_layers)} layers, the model has {self.num_hidden_layers}"
            )
        if self.positions == "rope":
            self._check_rotation()

    def _check_rotation(self) -> None:
        if self.rotary_size % 2:
            what = f"head_dim {self.head_dim}"
            if self.partial_rotary_factor != 1:
                what = f"the part {self.partial_rotary_factor} of {what}, {self.rotary_size} dims,"
            raise ModelError(f"config: {what} is odd, rotary positions want an even one")
        if not 0 < self.rotary_size <= self.head_dim:
            raise ModelError(
                f"config: partial_rotary_factor is {self.partial_rotary_factor}, wanted above 0, at most 1"
            )
        if not (self.rope_theta > 1 and (self.local_rope_theta is None or self.local_rope_theta > 1)):
            raise ModelError(f"config: the rotary base is {self.rope_theta}, wanted a number above 1")
        scaling = self.rope_scaling
        if isinstance(scaling, LongScaling):
            for name in ("short_factor", "long_factor"):
                if len(getattr(scaling, name)) != self.rotary_size // 2:
                    raise ModelError(
                        f"config: rope scaling has {len(getattr(scaling, name))} numbers in {name}, "
                        f"wanted {self.rotary_size // 2}: half of the dims that are turned"
                    )

    @property
    def query_size(self) -> int:
        """Width of all query heads together."""
        return self.num_attention_heads * self.head_dim

    @property
    def key_size(self) -> int:
        """Width of all key (or value) heads together."""
        return self.num_key_value_heads * self.head_dim

    @property
    def rotary_size(self) -> int:
        """Dims of each head that are turned."""
        return int(self.head_dim * self.partial_rotary_factor)

    def windowed(self, layer: int) -> bool:
        """Whether the window holds in that layer."""
        return self.sliding_window is not None and (self.windowed_layers is None or self.windowed_layers[layer])

    def experts_in(self, layer: int) -> Experts | None:
        """The mixture in that layer, if it has one."""
        return self.experts if self.experts is not None and layer in self.experts.layers else None


def whole_number(name: str, value: object) -> None:
    """Refuse, by name, a size that is no whole number of at least 1 (ModelError)."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"config: {name} is {value!r}, wanted a whole number of at least 1")
