"""Cross-entropy that never holds all logits: vocabulary scores are made, used and dropped a chunk of positions at a time."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sibao.training.batches import IGNORE

CHUNK = 2048
"""Positions whose logits exist at the same time (2048 x 8192 float32 is 64 MB)."""


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of -log softmax(h Wᵀ)[target]; gradients are computed in the forward pass, as in Liger and Cut Cross-Entropy
    (arXiv 2411.09009), because the softmax is at hand there: d/dlogits = softmax - onehot."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=hidden_ND.device)
        d_hidden = torch.empty_like(hidden_ND) if ctx.needs_input_grad[0] else None
        d_weight = torch.zeros_like(weight_VD, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for begin in range(0, len(targets_N), CHUNK):
            part = slice(begin, begin + CHUNK)
            logits = (hidden_ND[part] @ weight_VD.t()).float()
            targets = targets_N[part]
            log_probs = F.log_softmax(logits, dim=-1)
            total += F.nll_loss(log_probs, targets, reduction="sum")
            d_logits = log_probs.exp_()
            d_logits[torch.arange(len(targets), device=targets.device), targets] -= 1.0
            d_logits = d_logits.to(hidden_ND.dtype)
            if d_hidden is not None:
                d_hidden[part] = d_logits @ weight_VD
            if d_weight is not None:
                d_weight += d_logits.t() @ hidden_ND[part]
        ctx.save_for_backward(d_hidden, d_weight)
        ctx.weight_dtype = weight_VD.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        d_hidden, d_weight = ctx.saved_tensors
        scale = grads[0]
        return (
            None if d_hidden is None else d_hidden * scale.to(d_hidden.dtype),
            None if d_weight is None else (d_weight * scale).to(ctx.weight_dtype),
            None,
        )


def cross_entropy_sum(hidden_BTD: Tensor, weight_VD: Tensor, targets_BT: Tensor) -> Tensor:
    """Sum over the positions with a target of the negative log-likelihood (nats), as a scalar with gradient.

    Args:
        hidden_BTD: states after the final norm. weight_VD: the vocabulary matrix. targets_BT: ids or ``IGNORE``.
    """
    hidden = hidden_BTD.reshape(-1, hidden_BTD.shape[-1])
    targets = targets_BT.reshape(-1)
    kept = targets != IGNORE
    return _ChunkedCrossEntropy.apply(hidden[kept], weight_VD.to(hidden.dtype), targets[kept])


def token_log_probs(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, *, softcap: float | None = None) -> Tensor:
    """log softmax(h Wᵀ)[target] of each position apart, float32 [N], for losses that weigh positions differently.

    The logits of a chunk are made again on the way back instead of being kept.

    Args:
        softcap: logits are cap · tanh(logits / cap) (arXiv 2408.00118, section 2).
    """

    def part(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        logits = (hidden @ weight.t()).float()
        if softcap is not None:
            logits = softcap * torch.tanh(logits / softcap)
        return -F.cross_entropy(logits, targets, reduction="none")

    weight = weight_VD.to(hidden_ND.dtype)
    chunks = zip(hidden_ND.split(CHUNK), targets_N.split(CHUNK), strict=True)
    parts = [checkpoint(part, hidden, weight, targets, use_reentrant=False) for hidden, targets in chunks]
    return torch.cat(parts) if parts else hidden_ND.new_zeros(0, dtype=torch.float32)
