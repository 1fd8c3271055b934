"""Next-token prediction: -Σ log p(x_t | x_<t) inside each document (GPT, Radford et al. 2018, eq. 1)."""

from __future__ import annotations

from torch import Tensor

from sibao.nn.decoder import Decoder
from sibao.training.batches import IGNORE, Batch
from sibao.training.loss import cross_entropy_sum, token_log_probs

WHOLE_DOCUMENTS = False
"""Documents are cut to fill every row."""


def loss_sum(model: Decoder, batch: Batch) -> Tensor:
    """Summed loss (nats) over the positions that have a target."""
    hidden = model(batch.ids, batch.positions, mask=batch.mask)
    if model.config.logit_softcap is None:
        return cross_entropy_sum(hidden, model.lm_head.weight, batch.targets)
    kept = batch.targets != IGNORE
    cap = model.config.logit_softcap
    return -token_log_probs(hidden[kept], model.lm_head.weight, batch.targets[kept], softcap=cap).sum()
