"""Choosing the next token. Shapes: B rows, V words of the vocabulary, float32.

The order is that of Transformers' generate: logit bias, repetition penalty, presence and frequency penalty (which
Transformers lacks), min_tokens, processors, constraint (Transformers: before the processors; here nothing undoes it) in
``engine.control``; then temperature, top-k, top-p, min-p, typical (``engine.filters``), then the draw. One setting per
row; a row's result never depends on the other rows. Each request has its own generator and uses exactly one random number
per token, so its tokens are the same alone and in any batch.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from math import inf, isfinite, nan

import torch
from torch import Tensor

from sibao.core.errors import BadInput, ModelError
from sibao.core.types import Sampling
from sibao.engine.filters import NEVER as NEVER
from sibao.engine.likeliest import likeliest
from sibao.engine.request import TokenScore
from sibao.engine.shortlist import choices

LARGE, STRIDE = 16384, 1024
"""In a vocabulary larger than this a stretch of so many words is found first, then the word in it."""


def make_generator(seed: int | None) -> torch.Generator:
    """A generator of random numbers for one request; None draws a fresh seed."""
    return torch.Generator().manual_seed(secrets.randbits(63) if seed is None else seed)


def best(logits_BV: Tensor) -> list[tuple[float, int]]:
    """The largest logit of each row and the first token that has it; NaN where the row holds what is no number."""
    found = likeliest(logits_BV, 1)
    rows = zip(found.values[:, 0].tolist(), found.ids[:, 0].tolist(), found.totals.tolist(), strict=True)
    return [(value if isfinite(total) or total == NEVER else nan, token) for value, token, total in rows]


def greedy(logits_BV: Tensor) -> list[int | ModelError | BadInput]:
    """The likeliest token of each row; an error in its place where a row has no token to choose."""
    out: list[int | ModelError | BadInput] = []
    for value, token in best(logits_BV):
        if value != value or value == inf:
            out.append(ModelError("the model gave logits that are not numbers", hint="try a higher precision"))
        elif value == NEVER:
            out.append(BadInput("no token is allowed here", hint="loosen the constraint or the processors"))
        else:
            out.append(token)
    return out


def draw(logits_BV: Tensor, generators: Sequence[torch.Generator]) -> list[int]:
    """One token per row in proportion to its probability: inversion of the cumulative distribution in float64, of a large
    vocabulary first over stretches, then inside one."""
    u_B1 = torch.cat([torch.rand(1, generator=g, dtype=torch.float64) for g in generators])[:, None]
    u_B1, weight_BV = u_B1.to(logits_BV.device), logits_BV.softmax(-1)
    if logits_BV.shape[-1] <= LARGE:
        return _inverse(weight_BV, u_B1)[0].tolist()
    stretch_B, rest_B1 = _inverse(_by_stretch(weight_BV, Tensor.sum), u_B1)
    inside_BS, begin_B = _stretch(weight_BV, stretch_B, 0.0)
    return (begin_B + _inverse(inside_BS, rest_B1)[0]).tolist()


def _by_stretch(table_BV: Tensor, reduce: Callable[..., Tensor]) -> Tensor:
    """Each stretch of each row, the last one perhaps shorter, made one number [B, C]."""
    whole = table_BV.shape[-1] // STRIDE * STRIDE
    out_BC = reduce(table_BV[:, :whole].unflatten(-1, (-1, STRIDE)), -1)
    return (
        torch.cat([out_BC, reduce(table_BV[:, whole:], -1, keepdim=True)], -1) if table_BV.shape[-1] > whole else out_BC
    )


def _stretch(table_BV: Tensor, stretch_B: Tensor, beyond: float) -> tuple[Tensor, Tensor]:
    """One stretch of each row [B, STRIDE], ``beyond`` after the row's end, and where it begins [B]."""
    begin_B = stretch_B * STRIDE
    places_BS = begin_B[:, None] + torch.arange(STRIDE, device=table_BV.device)
    last = table_BV.shape[-1] - 1
    return table_BV.gather(-1, places_BS.clamp(max=last)).masked_fill(places_BS > last, beyond), begin_B


def _inverse(weight_BN: Tensor, u_B1: Tensor) -> tuple[Tensor, Tensor]:
    """Where the share u of the whole weight is reached [B], and which share of that place's own weight is left [B, 1]."""
    sums_BN = weight_BN.cumsum(-1, dtype=torch.float64)
    wanted_B1 = u_B1 * sums_BN[:, -1:]
    found_B1 = torch.searchsorted(sums_BN, wanted_B1, right=True)
    found_B1 = torch.minimum(
        found_B1, sums_BN.argmax(-1, keepdim=True)
    )  # rounding up to the whole: the last with weight
    own_B1 = weight_BN.gather(-1, found_B1)
    left_B1 = (wanted_B1 - (sums_BN.gather(-1, found_B1) - own_B1)) / own_B1
    return found_B1[:, 0], left_B1.clamp(0, 1)


def choose(
    logits_BV: Tensor, settings: Sequence[Sampling], generators: Sequence[torch.Generator]
) -> list[int | ModelError | BadInput]:
    """The next token of each row; an error in place of the token where a row has no token to choose.

    Args:
        logits_BV: float32 after penalty, processors and constraint.
    """
    out = greedy(logits_BV)
    drawn = [i for i, token in enumerate(out) if isinstance(token, int) and settings[i].temperature > 0]
    if drawn:
        for some in choices(logits_BV, settings, drawn):
            picks = draw(some.logits, [generators[row] for row in some.rows])
            for place, (row, pick) in enumerate(zip(some.rows, picks, strict=True)):
                out[row] = pick if some.ids is None else int(some.ids[place, pick])
    return out


def token_score(logits_V: Tensor, token: int, alternatives: int) -> TokenScore:
    """Log-probabilities for one chosen token, from the model's raw distribution, as OpenAI's API reports them.

    Raw: before penalty, processors, constraint, temperature and filters.
    """
    whole = logits_V.logsumexp(-1)
    values, ids = torch.topk(logits_V, min(alternatives, logits_V.shape[-1]))
    top = zip(ids.tolist(), (values - whole).tolist(), strict=True)
    return TokenScore(float(logits_V[token] - whole), tuple(top))
