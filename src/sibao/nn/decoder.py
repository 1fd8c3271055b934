"""One decoder for every causal family: embed → (norm, attention, norm, feed-forward) × L → norm → vocabulary.

Knows tensors only: no tokenizers, no files, no family names. Parameter names follow Llama checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sibao.nn.attention import Attention, window_mask
from sibao.nn.cache import CacheView, KVCache
from sibao.nn.config import DecoderConfig
from sibao.nn.linear import Linear, embedding
from sibao.nn.mlp import MLP
from sibao.nn.moe import ExpertMLP
from sibao.nn.network import Network
from sibao.nn.norm import OffsetRMSNorm, make_norm
from sibao.nn.rope import Rotary


class Layer(nn.Module):
    """Pre-norm Transformer block: x + attention(norm x), then x + feed-forward(norm x).

    With ``output_norms``, what attention and feed-forward return is normalised too before it is added.
    """

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        norm = (config.norm, config.hidden_size, config.norm_eps)
        self.input_layernorm = make_norm(*norm)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = make_norm(*norm)
        experts = config.experts_in(layer)
        self.mlp = MLP(config) if experts is None else ExpertMLP(config, experts)
        self.attention_output_norm = make_norm(*norm) if config.output_norms else None
        self.mlp_output_norm = make_norm(*norm) if config.output_norms else None

    def forward(
        self,
        x_BTD: Tensor,
        rope: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        cache: CacheView | None,
        positions_BT: Tensor,
    ) -> Tensor:
        y_BTD = self.self_attn(self.input_layernorm(x_BTD), rope, mask, cache, positions_BT)
        if self.attention_output_norm is not None:
            y_BTD = self.attention_output_norm(y_BTD)
        x_BTD = x_BTD + y_BTD
        y_BTD = self.mlp(self.post_attention_layernorm(x_BTD))
        if self.mlp_output_norm is not None:
            y_BTD = self.mlp_output_norm(y_BTD)
        return x_BTD + y_BTD


class Decoder(Network):
    """A causal language model. Its weights mean nothing until ``initialize`` or a checkpoint fills them."""

    config: DecoderConfig

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
        self.windowed = [config.windowed(i) for i in range(config.num_hidden_layers)]
        self.rotary = self.local_rotary = None
        if config.positions == "rope":
            sizes = config.rotary_size, config.max_position_embeddings
            self.rotary = Rotary(*sizes, config.rope_theta, config.rope_scaling)
            if config.local_rope_theta is not None:
                self.local_rotary = Rotary(*sizes, config.local_rope_theta)

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
        if isinstance(cache, KVCache):
            cache = cache.view(None, cache.length)
        reach = ids_BT.shape[1] if cache is None else cache.length
        if positions_BT is None:
            positions_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device).expand(ids_BT.shape)
        elif cache is None and self.rotary is not None:
            reach = int(positions_BT.max()) + 1
        x = self.embed_tokens(ids_BT)
        if self.config.scaled_embeddings:
            x = x * x.new_full((), self.config.hidden_size**0.5)  # rounded to the weights' precision, as in training
        if self.embed_positions is not None:
            x = x + self.embed_positions(positions_BT)
        rope = self._rotations(positions_BT, reach)
        masks = self._masks(positions_BT, cache, mask)
        for layer, windowed in zip(self.layers, self.windowed, strict=True):
            x = layer(x, rope[windowed], masks[windowed], cache, positions_BT)
        return self.norm(x)

    def _rotations(self, positions_BT: Tensor, reach: int) -> tuple[tuple[Tensor, Tensor] | None, ...]:
        """Cosines and sines for the layers without and with a window."""
        if self.rotary is None:
            return None, None
        rope = self.rotary(positions_BT, reach)
        return rope, rope if self.local_rotary is None else self.local_rotary(positions_BT, reach)

    def _masks(
        self, positions_BT: Tensor, cache: CacheView | None, mask: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Where queries may look in the layers without and with a window."""
        window = self.config.sliding_window
        if cache is not None:
            whole = None if all(self.windowed) else window_mask(positions_BT, cache.length, None)
            return whole, window_mask(positions_BT, cache.length, window) if any(self.windowed) else None
        if not any(self.windowed):
            return mask, None
        # without a cache a key's slot is its place in the row, whatever its position in its own text
        T = positions_BT.shape[1]
        near = window_mask(torch.arange(T, device=positions_BT.device)[None], T, window)
        return mask, near if mask is None else mask & near

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every vocabulary entry, float32 [..., V], from hidden states [..., D]."""
        logits: Tensor = self.lm_head(hidden).float()
        cap = self.config.logit_softcap
        return logits if cap is None else torch.tanh(logits / cap) * cap

    @torch.no_grad()
    def initialize(self, seed: int) -> None:
        """Random weights: normal(0, initializer_range); projections into the residual stream are scaled by
        1/√(2L) (GPT-2 paper, section 2.3); norms scale by 1, biases 0. The same seed gives the same weights."""
        generator = torch.Generator().manual_seed(seed)
        std = self.config.initializer_range
        residual = std / (2 * self.config.num_hidden_layers) ** 0.5
        one = 0.0 if isinstance(self.norm, OffsetRMSNorm) else 1.0
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                parameter.fill_(one if name.endswith("norm.weight") else 0.0)
            else:
                scale = residual if name.endswith(("o_proj.weight", "down_proj.weight")) else std
                parameter.normal_(0.0, scale, generator=generator)
