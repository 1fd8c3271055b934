"""Layers whose weights are not filled when they are made: ``Decoder.initialize`` or a checkpoint does that.

PyTorch's own initialisation would be thrown away at once, and costs seconds on a large model; making the model on the
meta device instead would import PyTorch's compiler, a second of start-up.
"""

from __future__ import annotations

import torch
from torch import nn


class Linear(nn.Linear):
    """``nn.Linear`` without numbers in it."""

    def reset_parameters(self) -> None:
        """Leave the memory as it is: untouched pages cost nothing until a checkpoint's tensors take their place."""


def embedding(entries: int, width: int) -> nn.Embedding:
    """An embedding table without numbers in it."""
    return nn.Embedding.from_pretrained(torch.empty(entries, width), freeze=False)
