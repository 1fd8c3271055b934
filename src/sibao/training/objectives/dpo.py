"""Direct preference optimization (arXiv 2305.18290, eq. 7): the preferred answer gains on the other, measured against a
reference model whose log-probabilities were computed once and lie beside the tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sibao.nn.decoder import Decoder
from sibao.training.batches import IGNORE
from sibao.training.loss import token_log_probs
from sibao.training.preferences import PreferenceBatch, Terms

WHOLE_DOCUMENTS = True
"""An answer must not lose its prompt."""


def log_probs(model: Decoder, batch: PreferenceBatch) -> Tensor:
    """Summed log-probability of the answer's tokens, float32 [P, 2]. Padding stands after the text, where a causal model
    does not look."""
    P, _, T = batch.ids.shape
    hidden = model(batch.ids.view(2 * P, T))
    targets = batch.targets.view(2 * P, T)
    kept = targets != IGNORE
    each = token_log_probs(hidden[kept], model.lm_head.weight, targets[kept], softcap=model.config.logit_softcap)
    texts = torch.arange(2 * P, device=kept.device)[:, None].expand(2 * P, T)[kept]
    return each.new_zeros(2 * P).index_add(0, texts, each).view(P, 2)


def preference_losses(margins: Tensor, terms: Terms) -> Tensor:
    """Loss of each pair from h = (log-ratio of chosen) - (log-ratio of rejected), [P].

    ``sigmoid``: -(1 - ε) log σ(βh) - ε log σ(-βh), eq. 7 with ε = 0. ``ipo``: (h - 1/2β)² (arXiv 2310.12036, eq. 17).
    """
    if terms.preference_loss == "ipo":
        return (margins - 1 / (2 * terms.beta)) ** 2
    wrong = terms.label_smoothing
    return -(1 - wrong) * F.logsigmoid(terms.beta * margins) - wrong * F.logsigmoid(-terms.beta * margins)


def loss_sum(model: Decoder, batch: PreferenceBatch) -> Tensor:
    """Summed loss over the pairs. Counts reward margins β·h, and how often the chosen answer is ahead (a tie is half)."""
    gains = log_probs(model, batch) - batch.reference
    if batch.terms.length_normalized:
        gains = gains / (batch.targets != IGNORE).sum(dim=2)
    margins = gains[:, 0] - gains[:, 1]
    with torch.no_grad():
        ahead = (margins > 0).float() + 0.5 * (margins == 0).float()
        batch.tally.add(
            len(margins), margin=float(batch.terms.beta * margins.sum()), accuracy=float(ahead.sum()),
            chosen_reward=float(batch.terms.beta * gains[:, 0].sum()),
        )  # fmt: skip
    return preference_losses(margins, batch.terms).sum()
