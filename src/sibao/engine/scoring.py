"""Log-likelihood of given tokens: probabilities from hidden states in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sibao.engine.likeliest import likeliest
from sibao.engine.runner import Runner, vocabulary

LOGIT_BYTES = 64 << 20
"""Most memory that one piece of logits may take; with a vocabulary of 150,000 that is 111 positions at once."""


def likelihoods(runner: Runner, hidden_ND: Tensor, targets: Sequence[int]) -> tuple[list[float], list[bool]]:
    """Natural-log probability of each target after its hidden state, and whether it is the most likely token."""
    target_N = torch.tensor(targets, device=hidden_ND.device)
    piece = max(1, LOGIT_BYTES // (4 * vocabulary(runner.config)))
    logprobs: list[float] = []
    greedy: list[bool] = []
    for hidden, target in zip(hidden_ND.split(piece), target_N.split(piece), strict=True):
        logits = runner.head(hidden)
        best = likeliest(logits, 1)
        logprobs += (logits.gather(-1, target[:, None])[:, 0] - best.totals).tolist()
        greedy += (best.ids[:, 0] == target).tolist()
    return logprobs, greedy
