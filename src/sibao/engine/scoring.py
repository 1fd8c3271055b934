"""Log-likelihood of given tokens: probabilities from hidden states in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sibao.engine.likeliest import likeliest
from sibao.engine.runner import Runner, vocabulary

LOGIT_BYTES = 64 << 20
"""Most memory that one piece of logits may take; with a vocabulary of 150,000 that is 111 positions at once."""


class Likelihood(NamedTuple):
    """Natural-log probability of one token, whether it was the most likely one, and the most likely ones (id, logprob)."""

    logprob: float
    greedy: bool
    top: tuple[tuple[int, float], ...] = ()


def likelihoods(runner: Runner, hidden_ND: Tensor, targets: Sequence[int], width: int = 0) -> list[Likelihood]:
    """Of each target after its hidden state, beside the ``width`` most likely tokens."""
    target_N = torch.tensor(targets, device=hidden_ND.device)
    piece = max(1, LOGIT_BYTES // (4 * vocabulary(runner.config)))
    found: list[Likelihood] = []
    for hidden, target in zip(hidden_ND.split(piece), target_N.split(piece), strict=True):
        logits = runner.head(hidden)
        best = likeliest(logits, min(max(1, width), logits.shape[-1]))
        logprobs = (logits.gather(-1, target[:, None])[:, 0] - best.totals).tolist()
        greedy = (best.ids[:, 0] == target).tolist()
        values, ids = (best.values - best.totals[:, None])[:, :width].tolist(), best.ids[:, :width].tolist()
        tops = (tuple(zip(*row, strict=True)) for row in zip(ids, values, strict=True))
        found += map(Likelihood, logprobs, greedy, tops)
    return found
