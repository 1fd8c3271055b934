"""An encoder-decoder learns an answer from its source with the answer's own earlier tokens before it (teacher forcing):
-Σ log p(y_t | y_<t, x) (Sutskever et al. 2014, arXiv 1409.3215, eq. 1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sibao.nn.seq2seq import Seq2Seq
from sibao.training.batches import IGNORE
from sibao.training.pairs import PairBatch

WHOLE_DOCUMENTS = True
"""An answer must not lose its source."""


def loss_sum(model: Seq2Seq, batch: PairBatch) -> Tensor:
    """Summed loss (nats) over the answers' tokens. With label smoothing ε (arXiv 1512.00567, section 7) the wanted token
    gets 1 - ε of the probability and all tokens share the rest."""
    hidden = model(batch.sources, batch.mask, batch.read)
    kept = batch.targets != IGNORE
    logits = model.logits(hidden[kept])
    return F.cross_entropy(logits, batch.targets[kept], reduction="sum", label_smoothing=batch.smoothing)
