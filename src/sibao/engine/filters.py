"""Leaving out unlikely tokens before one is drawn. Pure functions on logits; B rows, V words of the vocabulary, float32.

One setting per row, and a row's result never depends on the other rows. The results are those of Transformers' warpers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from sibao.core.types import Sampling

NEVER = float("-inf")


def top_k(logits_BV: Tensor, k_B: Tensor) -> Tensor:
    """Keep the k most likely tokens of each row; 0 keeps all. Tokens tied with the k-th stay."""
    vocab = logits_BV.shape[-1]
    k_B = torch.where(k_B < 1, vocab, k_B.clamp(max=vocab))
    largest = int(k_B.max())
    best = torch.topk(logits_BV, largest, dim=-1).values
    return logits_BV.masked_fill(logits_BV < best.gather(-1, k_B[:, None] - 1), NEVER)


def top_p(logits_BV: Tensor, p_B: Tensor) -> Tensor:
    """Keep the smallest set of tokens whose probability reaches p (nucleus; Holtzman et al. 2020, arXiv 1904.09751)."""
    ranked, order = logits_BV.sort(dim=-1, stable=True)
    unlikely = ranked.softmax(-1).cumsum(-1) <= (1.0 - p_B)[:, None]
    unlikely[:, -1] = False  # the most likely token always stays
    unlikely &= (p_B < 1.0)[:, None]
    return logits_BV.masked_fill(unlikely.scatter(-1, order, unlikely), NEVER)


def min_p(logits_BV: Tensor, p_B: Tensor) -> Tensor:
    """Keep tokens at least p times as likely as the best one (Nguyen et al. 2024, arXiv 2407.01082, section 3)."""
    probability = logits_BV.softmax(-1)
    floor = p_B[:, None] * probability.amax(-1, keepdim=True)
    return logits_BV.masked_fill(probability < floor, NEVER)


def typical_p(logits_BV: Tensor, p_B: Tensor) -> Tensor:
    """Keep the smallest set of tokens whose probability reaches p, taking first those whose surprise is nearest to the
    expected one, the entropy (locally typical sampling; Meister et al. 2023, arXiv 2202.00666, equation 10)."""
    logprobs = logits_BV.log_softmax(-1)
    entropy_B1 = -(logprobs.exp() * logprobs).nansum(-1, keepdim=True)
    distance, order = (-logprobs - entropy_B1).abs().sort(dim=-1)
    reached = logits_BV.gather(-1, order).softmax(-1).cumsum(-1)
    last = (reached < p_B[:, None]).sum(-1, keepdim=True).clamp(max=logits_BV.shape[-1] - 1)
    odd = (distance > distance.gather(-1, last)) & (p_B < 1.0)[:, None]
    odd[:, 0] = False
    return logits_BV.masked_fill(odd.scatter(-1, order, odd), NEVER)


def filtered(logits_BV: Tensor, settings: Sequence[Sampling], done: Collection[str] = ()) -> Tensor:
    """Temperature, top-k, top-p, min-p, typical, in this order. Rows with temperature 0 must not be among them.

    Args:
        done: names of settings that were applied before.
    """

    def column(name: str, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.tensor([getattr(s, name) for s in settings], dtype=dtype, device=logits_BV.device)

    if "temperature" not in done:
        logits_BV = logits_BV / column("temperature")[:, None]
    if "top_k" not in done and any(s.top_k for s in settings):
        logits_BV = top_k(logits_BV, column("top_k", torch.long))
    if "top_p" not in done and any(s.top_p < 1 for s in settings):
        logits_BV = top_p(logits_BV, column("top_p"))
    if any(s.min_p for s in settings):
        logits_BV = min_p(logits_BV, column("min_p"))
    if any(s.typical_p < 1 for s in settings):
        logits_BV = typical_p(logits_BV, column("typical_p"))
    return logits_BV
