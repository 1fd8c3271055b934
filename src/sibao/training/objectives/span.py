"""Begin and end of an answer: the mean of -log softmax over positions of either (arXiv 1810.04805, section 4.2).

A window that does not hold the answer points at its first token, ``[CLS]`` (SQuAD 2.0, section 4.3).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sibao.nn.encoder import Encoder
from sibao.training.labelled import LabelledBatch

WHOLE_DOCUMENTS = True
"""A question and a window of its passage stand in a row of their own."""


def loss_sum(model: Encoder, batch: LabelledBatch) -> Tensor:
    """Summed loss (nats) over the windows. Padding is no choice."""
    logits = model.logits(model(batch.ids, batch.mask, batch.types)).masked_fill(~batch.mask[..., None], -1e9)
    begin, end = (F.cross_entropy(logits[..., i], batch.targets[:, i], reduction="sum") for i in (0, 1))
    return (begin + end) / 2
