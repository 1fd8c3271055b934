"""One bidirectional encoder for every family: embed → (attention, feed-forward) × L → states → a head.

It is BERT (arXiv 1810.04805: norms after each sum, learned positions, segment embeddings) or ModernBERT (arXiv 2412.13663:
norms first, rotary positions, alternating windows, gated feed-forward, no biases) by its config.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sibao.nn.encoder_config import EncoderConfig
from sibao.nn.heads import Pooler, Transform, first_position, mean_position
from sibao.nn.linear import Linear, embedding
from sibao.nn.mlp import ACTIVATIONS
from sibao.nn.network import Network
from sibao.nn.rope import Rotary, rotate

Rope = tuple[Tensor, Tensor] | None


class SelfAttention(nn.Module):
    """softmax(Q Kᵀ / √E) V (arXiv 1706.03762, eq. 1) in both directions."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        D, bias = config.hidden_size, config.attention_bias
        self.heads, self.head_dim = config.num_attention_heads, config.head_dim
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (Linear(D, D, bias=bias) for _ in range(4))

    def forward(self, x_BTD: Tensor, mask: Tensor | None, rope: Rope) -> Tensor:
        """``mask``: bool, broadcastable to [B, 1, T, T], True where a query may look; None: everywhere."""
        B, T, D = x_BTD.shape
        q, k, v = (
            p(x_BTD).view(B, T, self.heads, self.head_dim).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        if rope is not None:
            q, k = rotate(q, *rope).to(v.dtype), rotate(k, *rope).to(v.dtype)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.o_proj(y.transpose(1, 2).reshape(B, T, D))


class FeedForward(nn.Module):
    """down(activation(up x)), or GeGLU (arXiv 2002.05202, eq. 6): down(activation(gate x) · up x)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        D, inner, bias = config.hidden_size, config.intermediate_size, config.mlp_bias
        self.activation = ACTIVATIONS[config.activation]
        self.gate_proj = Linear(D, inner, bias=bias) if config.gated_mlp else None
        self.up_proj = Linear(D, inner, bias=bias)
        self.down_proj = Linear(inner, D, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.gate_proj is None:
            return self.down_proj(self.activation(self.up_proj(x)))
        return self.down_proj(self.activation(self.gate_proj(x)) * self.up_proj(x))


def _norm(config: EncoderConfig) -> nn.LayerNorm:
    return nn.LayerNorm(config.hidden_size, eps=config.norm_eps, bias=config.norm_bias)


class EncoderLayer(nn.Module):
    """Norms after each sum (Vaswani et al. 2017), or before each part (arXiv 2002.04745)."""

    def __init__(self, config: EncoderConfig, number: int) -> None:
        super().__init__()
        self.norm_first = config.norm_first
        # the embeddings were normalised just before the first layer
        self.attn_norm = nn.Identity() if config.norm_first and number == 0 else _norm(config)
        self.self_attn = SelfAttention(config)
        self.mlp_norm = _norm(config)
        self.mlp = FeedForward(config)

    def forward(self, x_BTD: Tensor, mask: Tensor | None, rope: Rope) -> Tensor:
        if self.norm_first:
            x_BTD = x_BTD + self.self_attn(self.attn_norm(x_BTD), mask, rope)
            return x_BTD + self.mlp(self.mlp_norm(x_BTD))
        x_BTD = self.attn_norm(x_BTD + self.self_attn(x_BTD, mask, rope))
        return self.mlp_norm(x_BTD + self.mlp(x_BTD))


class Encoder(Network):
    """A bidirectional model. Its weights mean nothing until ``initialize`` or a checkpoint fills them."""

    config: EncoderConfig

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        D = config.hidden_size
        learned = config.positions == "learned"
        self.embed_tokens = embedding(config.vocab_size, D)
        self.embed_positions = embedding(config.max_position_embeddings, D) if learned else None
        self.embed_types = embedding(config.token_types, D) if config.token_types else None
        self.embed_norm = _norm(config)
        size, length = config.head_dim, config.max_position_embeddings
        thetas = (config.rope_theta, config.local_rope_theta)  # of the layers without and with a window
        self.rope = None if learned else nn.ModuleList(Rotary(size, length, theta) for theta in thetas)
        self.layers = nn.ModuleList(EncoderLayer(config, i) for i in range(config.num_hidden_layers))
        self.final_norm = _norm(config) if config.norm_first else nn.Identity()
        self.pooler = Pooler(D) if config.pooler else None
        self.transform = Transform(config) if config.transform and config.outputs else nn.Identity()
        self.output = Linear(D, config.outputs, bias=config.output_bias) if config.outputs else None
        tied = config.head == "masked" and config.tie_word_embeddings
        self.tied = {"output.weight": "embed_tokens.weight"} if tied else {}
        self.tie()

    def forward(
        self,
        ids_BT: Tensor,
        mask: Tensor | None = None,
        types_BT: Tensor | None = None,
        positions_BT: Tensor | None = None,
    ) -> Tensor:
        """States [B, T, D].

        Args:
            mask: bool [B, T], False for padding; or [B, T, T], True where a position may look; None: no padding.
            types_BT: segment of each token (int64); default 0.
            positions_BT: position of each token in its text; default 0..T-1.
        """
        if positions_BT is None:
            positions_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device).expand(ids_BT.shape)
        x = self.embed_tokens(ids_BT)
        if self.embed_types is not None:
            x = x + self.embed_types(torch.zeros_like(ids_BT) if types_BT is None else types_BT)
        if self.embed_positions is not None:
            x = x + self.embed_positions(positions_BT)
        x = self.embed_norm(x)
        wide = None if mask is None else mask[:, None, None, :] if mask.dim() == 2 else mask[:, None]
        near = self._near(ids_BT.shape[1], wide, ids_BT.device)
        ropes: list[Rope] = [None, None]
        if self.rope is not None:
            ropes = [rope(positions_BT, ids_BT.shape[1]) for rope in self.rope]
        for local, layer in zip(self._windowed(), self.layers, strict=True):
            x = layer(x, near if local else wide, ropes[local])
        return self.final_norm(x)

    def _windowed(self) -> tuple[bool, ...]:
        return self.config.windowed or (False,) * self.config.num_hidden_layers

    def _near(self, length: int, mask: Tensor | None, device: torch.device) -> Tensor | None:
        """The mask of the layers with a window, [B or 1, 1, T, T]."""
        if not any(self._windowed()):
            return None
        places = torch.arange(length, device=device)
        near = ((places[:, None] - places).abs() <= self.config.window)[None, None]
        return near if mask is None else near & mask

    def logits(self, hidden: Tensor) -> Tensor:
        """What the head says at each position, float32: [..., V] for ``masked``, [..., labels] for ``token``,
        [..., 2] (begin, end) for ``span``."""
        if self.output is None:
            raise TypeError("an encoder without a head has no logits")
        return self.output(self.transform(hidden)).float()

    def pooled(self, hidden_BTD: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        """One state for each text, [B, D]: the pooler's, else the first position's or the mean, as the config says."""
        if self.config.pooling == "mean":
            return mean_position(hidden_BTD, mask_BT)
        first = first_position(hidden_BTD, mask_BT)
        return first if self.pooler is None else self.pooler(first)

    def label_logits(self, hidden_BTD: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        """Scores of the labels of each text, float32 [B, labels] (head ``classify``)."""
        return self.logits(self.pooled(hidden_BTD, mask_BT))

    def replace_head(self, config: EncoderConfig, seed: int) -> None:
        """Another head on the same body, random where the old one has no such part.

        Args:
            config: the shape with the new head; everything below it must be the same.
        """
        fresh = Encoder(config)
        fresh.initialize(seed)
        parts = {name: getattr(fresh, name) for name in ("pooler", "transform", "output")}
        for name in ("pooler", "transform"):
            if type(getattr(self, name)) is type(parts[name]):
                parts[name] = getattr(self, name)
        for name, part in parts.items():  # in the order of __init__: optimizers number parameters by it
            delattr(self, name)
            setattr(self, name, part)
        self.config, self.tied = config, fresh.tied
        self.tie()

    @torch.no_grad()
    def initialize(self, seed: int) -> None:
        """Random weights: normal(0, initializer_range), norms 1, biases 0 (BERT's way; with norms first the projections
        into the residual stream are scaled by 1/√(2L), as in GPT-2). The same seed gives the same weights."""
        generator = torch.Generator().manual_seed(seed)
        std = self.config.initializer_range
        residual = std / (2 * self.config.num_hidden_layers) ** 0.5 if self.config.norm_first else std
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)
            else:
                scale = residual if name.endswith(("o_proj.weight", "down_proj.weight")) else std
                parameter.normal_(0.0, scale, generator=generator)
