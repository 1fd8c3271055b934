"""Masked language modelling: -Σ log p(x_t | the text with x_t hidden) over the hidden tokens (arXiv 1810.04805, 3.1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sibao.nn.encoder import Encoder
from sibao.training.batches import IGNORE
from sibao.training.masking import MaskedBatch

WHOLE_DOCUMENTS = True
"""A row holds whole pieces of documents, each between ``[CLS]`` and ``[SEP]``."""


def loss_sum(model: Encoder, batch: MaskedBatch) -> Tensor:
    """Summed loss (nats) over the hidden tokens; vocabulary scores are made for these alone."""
    hidden = model(batch.ids, batch.mask, positions_BT=batch.positions)
    kept = batch.targets != IGNORE
    return F.cross_entropy(model.logits(hidden[kept]), batch.targets[kept], reduction="sum")
