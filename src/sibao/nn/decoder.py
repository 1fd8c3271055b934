"""One decoder for every causal family: embed → (norm, attention, norm, feed-forward) × L → norm → vocabulary.

Knows tensors only: no tokenizers, no files, no family names. Parameter names follow Llama checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sibao.nn.attention import Attention, window_mask
from sibao.nn.cache import CacheView, KVCache
from sibao.nn.config import DecoderConfig
from sibao.nn.linear import Linear, embedding
from sibao.nn.mlp import MLP
from sibao.nn.network import Network
from sibao.nn.norm import make_norm
from sibao.nn.rope import rope_table


class Layer(nn.Module):
    """Pre-norm Transformer block: x + attention(norm x), then x + feed-forward(norm x)."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = make_norm(config.norm, config.hidden_size, config.norm_eps)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = make_norm(config.norm, config.hidden_size, config.norm_eps)
        self.mlp = MLP(config)

    def forward(
        self,
        x_BTD: Tensor,
        rope: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        cache: CacheView | None,
        positions_BT: Tensor,
    ) -> Tensor:
        x_BTD = x_BTD + self.self_attn(self.input_layernorm(x_BTD), rope, mask, cache, positions_BT)
        return x_BTD + self.mlp(self.post_attention_layernorm(x_BTD))


class Decoder(Network):
    """A causal language model. Its weights mean nothing until ``initialize`` or a checkpoint fills them."""

    config: DecoderConfig
    rope_cos: Tensor
    rope_sin: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = embedding(config.vocab_size, config.hidden_size)
        self.embed_positions = (
            embedding(config.max_position_embeddings, config.hidden_size) if config.positions == "learned" else None
        )
        self.layers = nn.ModuleList(Layer(config, i) for i in range(config.num_hidden_layers))
        self.norm = make_norm(config.norm, config.hidden_size, config.norm_eps)
        self.lm_head = Linear(config.hidden_size, config.vocab_size, bias=False)
        self.tied = {"lm_head.weight": "embed_tokens.weight"} if config.tie_word_embeddings else {}
        self.tie()
        if config.positions == "rope":
            cos, sin = rope_table(config.head_dim, config.max_position_embeddings, config.rope_theta)
            self.register_buffer("rope_cos", cos, persistent=False)
            self.register_buffer("rope_sin", sin, persistent=False)

    def forward(
        self,
        ids_BT: Tensor,
        positions_BT: Tensor | None = None,
        cache: CacheView | KVCache | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Hidden states after the final norm, [B, T, D].

        Args:
            ids_BT: token ids (int64).
            positions_BT: position of each token in its own text; default 0..T-1. With a cache it is also its slot.
            cache: keys and values already computed; the new ones are written into it.
            mask: bool [B, 1, T, T], True where a query may look (only without a cache; a sliding window is cut out
                of it); None: causal.
        """
        if positions_BT is None:
            positions_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device).expand(ids_BT.shape)
        x = self.embed_tokens(ids_BT)
        if self.embed_positions is not None:
            x = x + self.embed_positions(positions_BT)
        rope = (self.rope_cos[positions_BT], self.rope_sin[positions_BT]) if self.embed_positions is None else None
        if isinstance(cache, KVCache):
            cache = cache.view(None, cache.length)
        if cache is not None:
            mask = window_mask(positions_BT, cache.length, self.config.sliding_window)
        elif self.config.sliding_window is not None:
            # without a cache a key's slot is its place in the row, whatever its position in its own text
            places = torch.arange(ids_BT.shape[1], device=ids_BT.device)[None]
            window = window_mask(places, ids_BT.shape[1], self.config.sliding_window)
            mask = window if mask is None else mask & window
        for layer in self.layers:
            x = layer(x, rope, mask, cache, positions_BT)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every vocabulary entry, float32 [..., V], from hidden states [..., D]."""
        return F.linear(hidden, self.lm_head.weight).float()

    @torch.no_grad()
    def initialize(self, seed: int) -> None:
        """Random weights: normal(0, initializer_range); projections into the residual stream are scaled by
        1/√(2L) (GPT-2 paper, section 2.3); norms 1, biases 0. The same seed gives the same weights."""
        generator = torch.Generator().manual_seed(seed)
        std = self.config.initializer_range
        residual = std / (2 * self.config.num_hidden_layers) ** 0.5
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)
            else:
                scale = residual if name.endswith(("o_proj.weight", "down_proj.weight")) else std
                parameter.normal_(0.0, scale, generator=generator)
