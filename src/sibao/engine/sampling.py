"""Choosing the next token. Pure functions on logits; shapes: B rows, V words of the vocabulary, float32.

The order is that of Transformers' generate: repetition penalty, processors and constraint, then temperature, top-k,
top-p, min-p, then the draw. One setting per row; a row's result never depends on the other rows. Each request has its
own generator and uses exactly one random number per token, so its tokens are the same alone and in any batch.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import torch
from torch import Tensor

from sibao.core.errors import BadInput, ModelError
from sibao.core.types import Sampling
from sibao.engine.request import TokenScore

NEVER = float("-inf")


def make_generator(seed: int | None) -> torch.Generator:
    """A generator of random numbers for one request; None draws a fresh seed."""
    return torch.Generator().manual_seed(secrets.randbits(63) if seed is None else seed)


def repetition_penalty(logits_V: Tensor, ids: Sequence[int], penalty: float) -> Tensor:
    """Make tokens that were already seen less likely (CTRL, Keskar et al. 2019, arXiv 1909.05858, section 4.1).

    As Transformers: positive logits are divided by the penalty, negative ones multiplied; prompt tokens count.
    """
    seen = torch.tensor(sorted(set(ids)), device=logits_V.device)
    old = logits_V[seen]
    return logits_V.index_copy(0, seen, torch.where(old < 0, old * penalty, old / penalty))


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


def filtered(logits_BV: Tensor, settings: Sequence[Sampling]) -> Tensor:
    """Temperature, top-k, top-p, min-p. Rows with temperature 0 must not be among them."""

    def column(values: list[float], dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=logits_BV.device)

    logits_BV = logits_BV / column([s.temperature for s in settings])[:, None]
    if any(s.top_k for s in settings):
        logits_BV = top_k(logits_BV, column([s.top_k for s in settings], torch.long))
    if any(s.top_p < 1 for s in settings):
        logits_BV = top_p(logits_BV, column([s.top_p for s in settings]))
    if any(s.min_p for s in settings):
        logits_BV = min_p(logits_BV, column([s.min_p for s in settings]))
    return logits_BV


def draw(logits_BV: Tensor, generators: Sequence[torch.Generator]) -> list[int]:
    """One token per row in proportion to its probability: inversion of the cumulative distribution, in float64."""
    sums = logits_BV.double().softmax(-1).cumsum(-1)
    u_B = torch.cat([torch.rand(1, generator=g, dtype=torch.float64) for g in generators]).to(logits_BV.device)
    found = torch.searchsorted(sums, (u_B * sums[:, -1])[:, None], right=True)
    return [int(token) for token in found[:, 0]]


def choose(
    logits_BV: Tensor, settings: Sequence[Sampling], generators: Sequence[torch.Generator]
) -> list[int | ModelError | BadInput]:
    """The next token of each row; an error in place of the token where a row has no token to choose.

    Args:
        logits_BV: float32 after penalty, processors and constraint.
    """
    best, argbest = logits_BV.max(-1)  # NaN wins a maximum, so one look finds both kinds of bad row
    out: list[int | ModelError | BadInput] = list(argbest.tolist())
    drawn = [i for i, s in enumerate(settings) if s.temperature > 0]
    for i, value in enumerate(best.tolist()):
        if value != value or value == float("inf"):
            out[i] = ModelError("the model gave logits that are not numbers", hint="try a higher precision")
        elif value == NEVER:
            out[i] = BadInput("no token is allowed here", hint="loosen the constraint or the processors")
    drawn = [i for i in drawn if isinstance(out[i], int)]
    if drawn:
        rows = logits_BV if len(drawn) == len(settings) else logits_BV[drawn]
        tokens = draw(filtered(rows, [settings[i] for i in drawn]), [generators[i] for i in drawn])
        for i, token in zip(drawn, tokens, strict=True):
            out[i] = token
    return out


def token_score(logits_V: Tensor, token: int, alternatives: int) -> TokenScore:
    """Log-probabilities for one chosen token, from the model's raw distribution, as OpenAI's API reports them.

    Raw: before penalty, processors, constraint, temperature and filters.
    """
    logprobs_V = logits_V.log_softmax(-1)
    values, ids = torch.topk(logprobs_V, min(alternatives, logprobs_V.shape[-1]))
    return TokenScore(float(logprobs_V[token]), tuple(zip(ids.tolist(), values.tolist(), strict=True)))
