"""Labels of whole texts: -log softmax(z)[label] (arXiv 1810.04805, section 4.1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sibao.nn.encoder import Encoder
from sibao.training.labelled import LabelledBatch

WHOLE_DOCUMENTS = True
"""A text stands in a row of its own."""


def loss_sum(model: Encoder, batch: LabelledBatch) -> Tensor:
    """Summed loss (nats) over the texts."""
    hidden = model(batch.ids, batch.mask, batch.types)
    return F.cross_entropy(model.label_logits(hidden, batch.mask), batch.targets[:, 0], reduction="sum")
