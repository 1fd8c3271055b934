"""The layers of an encoder-decoder: attention to oneself or to another sequence, feed-forward, norms before or after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from sibao.nn.linear import Linear
from sibao.nn.mlp import ACTIVATIONS
from sibao.nn.norm import make_norm
from sibao.nn.seq2seq_config import Seq2SeqConfig


class LayerCache(Protocol):
    """What one layer of a decoder looks at: ``keys`` and ``values`` [N, H, S, E] of the sources, and where they have tokens,
    bool [N, 1, 1, S]."""

    @property
    def keys(self) -> Tensor: ...
    @property
    def values(self) -> Tensor: ...
    @property
    def mask(self) -> Tensor: ...

    def update(self, k_NHTE: Tensor, v_NHTE: Tensor) -> tuple[Tensor, Tensor]:
        """Keep keys and values of new tokens of the answers; all that these look at."""
        ...


class PairCache(Protocol):
    """What a decoder looks at."""

    def layer(self, number: int) -> LayerCache:
        """One layer's part."""
        ...


@dataclass(frozen=True)
class WholeAnswer:
    """A layer's part where whole answers are read at once: nothing is kept."""

    keys: Tensor
    values: Tensor
    mask: Tensor

    def update(self, k_NHTE: Tensor, v_NHTE: Tensor) -> tuple[Tensor, Tensor]:
        """They are all there is."""
        return k_NHTE, v_NHTE


class WholeAnswers:
    """Nothing kept from call to call. See ``PairCache``."""

    def __init__(self, layers: list[PairLayer], memory_BSD: Tensor, mask_BS: Tensor) -> None:
        self._layers, self._memory, self._mask = layers, memory_BSD, mask_BS[:, None, None, :]

    def layer(self, number: int) -> WholeAnswer:
        """See ``PairCache``."""
        return WholeAnswer(*self._layers[number].cross_keys_values(self._memory), self._mask)


class PairAttention(nn.Module):
    """Attention of one sequence to itself or to another one."""

    def __init__(self, config: Seq2SeqConfig, heads: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, config.head_dim
        self.scale = config.head_dim**-0.5 if config.scale_attention else 1.0
        D, inner = config.hidden_size, heads * config.head_dim
        self.q_proj = Linear(D, inner, bias=config.bias)
        self.k_proj = Linear(D, inner, bias=config.bias)
        self.v_proj = Linear(D, inner, bias=config.bias)
        self.o_proj = Linear(inner, D, bias=config.bias)

    def keys_values(self, x_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [B, H, S, E] of the sequence that is looked at."""
        return self._heads(self.k_proj(x_BSD)), self._heads(self.v_proj(x_BSD))

    def forward(self, x_BTD: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """[B, T, D]. ``mask``: bool or added scores, broadcastable to [B, H, T, S]."""
        B, T, _ = x_BTD.shape
        q = self._heads(self.q_proj(x_BTD))
        if mask is not None and mask.is_floating_point():
            mask = mask.to(q.dtype)
        y = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, scale=self.scale)
        return self.o_proj(y.transpose(1, 2).reshape(B, T, -1))

    def _heads(self, x_BTF: Tensor) -> Tensor:
        return x_BTF.view(*x_BTF.shape[:2], self.heads, self.head_dim).transpose(1, 2)


class FeedForward(nn.Module):
    """up → activation → down, or its gated form (arXiv 2002.05202)."""

    def __init__(self, config: Seq2SeqConfig, width: int) -> None:
        super().__init__()
        self.activation = {**ACTIVATIONS, "relu": F.relu}[config.activation]
        self.gate_proj = Linear(config.hidden_size, width, bias=config.bias) if config.gated_mlp else None
        self.up_proj = Linear(config.hidden_size, width, bias=config.bias)
        self.down_proj = Linear(width, config.hidden_size, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.gate_proj is None:
            return self.down_proj(self.activation(self.up_proj(x)))
        return self.down_proj(self.activation(self.gate_proj(x)) * self.up_proj(x))


class PairLayer(nn.Module):
    """Self-attention, cross-attention in the decoder, feed-forward; norms before or after each."""

    def __init__(self, config: Seq2SeqConfig, *, cross: bool) -> None:
        super().__init__()
        heads, width = (
            (config.decoder_heads, config.decoder_ffn) if cross else (config.encoder_heads, config.encoder_ffn)
        )
        self.pre_norm = config.pre_norm
        self.dropout = nn.Dropout(config.dropout)
        self.self_attn = PairAttention(config, heads)
        self.self_attn_norm = make_norm(config.norm, config.hidden_size, config.norm_eps)
        self.cross_attn = PairAttention(config, heads) if cross else None
        self.cross_attn_norm = make_norm(config.norm, config.hidden_size, config.norm_eps) if cross else None
        self.mlp = FeedForward(config, width)
        self.mlp_norm = make_norm(config.norm, config.hidden_size, config.norm_eps)

    def add(self, x: Tensor, norm: nn.Module, part: Callable[[Tensor], Tensor]) -> Tensor:
        """x + part(norm x) where norms come first, else norm(x + part(x))."""
        if self.pre_norm:
            return x + self.dropout(part(norm(x)))
        normed: Tensor = norm(x + self.dropout(part(x)))
        return normed

    def cross_keys_values(self, memory_RSD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the sources for the decoder's cross attention, [R, H, S, E] each."""
        return self._crossing.keys_values(memory_RSD)

    def forward(self, x: Tensor, scores: Tensor, cache: LayerCache | None = None) -> Tensor:
        """[B, T, D] → [B, T, D]. ``scores``: see ``PairAttention``; ``cache``: for the decoder, with its source."""

        def itself(h: Tensor) -> Tensor:
            k, v = self.self_attn.keys_values(h)
            out: Tensor = self.self_attn(h, *(cache.update(k, v) if cache is not None else (k, v)), scores)
            return out

        def across(h: Tensor) -> Tensor:
            out: Tensor = self._crossing(h, cache.keys, cache.values, cache.mask)  # type: ignore[union-attr]
            return out

        x = self.add(x, self.self_attn_norm, itself)
        if self.cross_attn_norm is not None:
            x = self.add(x, self.cross_attn_norm, across)
        return self.add(x, self.mlp_norm, self.mlp)

    @property
    def _crossing(self) -> PairAttention:
        if self.cross_attn is None:
            raise TypeError("a layer of the encoder looks at nothing but its own sequence")
        return self.cross_attn
