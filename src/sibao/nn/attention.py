"""Self-attention: softmax(Q Kᵀ / √E) V under a mask (arXiv 1706.03762, eq. 1), with grouped key/value heads
(arXiv 2305.13245), optional norms on queries and keys (arXiv 2302.05442), rotary positions and soft-capped scores."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sibao.nn.cache import CacheView
from sibao.nn.config import DecoderConfig
from sibao.nn.linear import Linear
from sibao.nn.norm import make_norm
from sibao.nn.rope import rotate


def attend(q_BHTE: Tensor, k_BKSE: Tensor, v_BKSE: Tensor, mask: Tensor | None, scale: float | None = None) -> Tensor:
    """Attention of H query heads over K shared key/value heads.

    Args:
        mask: bool, broadcastable to [B, 1, T, S], True where a query may look; None: causal, T = S.
        scale: factor on Q Kᵀ; None: 1 / √E.

    Returns:
        [B, H, T, E]. One query per row is folded, so that the heads that share keys become one matrix product
        instead of H copies of the keys.
    """
    B, H, T, E = q_BHTE.shape
    K = k_BKSE.shape[1]
    if T == 1 and mask is not None and mask.shape[-2] == 1:
        q = q_BHTE.reshape(B, K, H // K, E)
        y = F.scaled_dot_product_attention(q, k_BKSE, v_BKSE, attn_mask=mask, scale=scale)
        return y.reshape(B, H, 1, E)
    if K != H:
        k_BKSE = k_BKSE.repeat_interleave(H // K, dim=1)
        v_BKSE = v_BKSE.repeat_interleave(H // K, dim=1)
    return F.scaled_dot_product_attention(q_BHTE, k_BKSE, v_BKSE, attn_mask=mask, is_causal=mask is None, scale=scale)


def attend_capped(
    q_BHTE: Tensor, k_BKSE: Tensor, v_BKSE: Tensor, mask: Tensor | None, scale: float, cap: float
) -> Tensor:
    """``attend`` with scores s turned into cap · tanh(s / cap) (Gemma 2, arXiv 2408.00118, section 2), written out:
    fused attention has no place for it. Scores of all pairs exist at once, [B, H, T, S]."""
    B, H, T, E = q_BHTE.shape
    K, S = k_BKSE.shape[1], k_BKSE.shape[2]
    if mask is None:
        mask = torch.ones(T, S, dtype=torch.bool, device=q_BHTE.device).tril()[None, None]
    # the heads that share keys are one matrix product
    scores = q_BHTE.reshape(B, K, H // K * T, E) @ k_BKSE.transpose(-1, -2) * scale
    scores = torch.tanh(scores / cap) * cap
    scores = scores.view(B, H, T, S).masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(v_BKSE.dtype)
    return (weights.view(B, K, H // K * T, S) @ v_BKSE).view(B, H, T, E)


class Attention(nn.Module):
    """One attention layer."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads, self.kv_heads, self.head_dim = (
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        )
        D = config.hidden_size
        self.q_proj = Linear(D, config.query_size, bias=config.qkv_bias)
        self.k_proj = Linear(D, config.key_size, bias=config.qkv_bias)
        self.v_proj = Linear(D, config.key_size, bias=config.qkv_bias)
        self.o_proj = Linear(config.query_size, D, bias=config.out_bias)
        norm = (config.norm, config.head_dim, config.norm_eps)
        self.q_norm = make_norm(*norm) if config.qk_norm else nn.Identity()
        self.k_norm = make_norm(*norm) if config.qk_norm else nn.Identity()
        self.cap = config.attention_softcap
        scalar = config.query_pre_attn_scalar
        self.scale = None if scalar is None else scalar**-0.5

    def forward(
        self,
        x_BTD: Tensor,
        rope: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        cache: CacheView | None,
        positions_BT: Tensor,
    ) -> Tensor:
        B, T, _ = x_BTD.shape
        q = self.q_norm(self.q_proj(x_BTD).view(B, T, self.heads, self.head_dim)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x_BTD).view(B, T, self.kv_heads, self.head_dim)).transpose(1, 2)
        v = self.v_proj(x_BTD).view(B, T, self.kv_heads, self.head_dim).transpose(1, 2)
        if rope is not None:
            q, k = rotate(q, *rope).to(v.dtype), rotate(k, *rope).to(v.dtype)
        if cache is not None:
            k, v = cache.update(self.layer, k, v, positions_BT)
            k, v = k.to(q.dtype), v.to(q.dtype)
        if self.cap is None:
            y = attend(q, k, v, mask, self.scale)
        else:
            y = attend_capped(q, k, v, mask, self.scale or self.head_dim**-0.5, self.cap)
        return self.o_proj(y.transpose(1, 2).reshape(B, T, self.heads * self.head_dim))


def window_mask(positions_BT: Tensor, key_length: int, window: int | None) -> Tensor:
    """Which of the slots 0..key_length-1 each query sees: those not after it, at most ``window`` back.

    Returns:
        bool [B, 1, T, key_length].
    """
    keys = torch.arange(key_length, device=positions_BT.device)
    queries = positions_BT[:, None, :, None]
    mask = keys <= queries
    if window is not None:
        mask &= keys > queries - window
    return mask
