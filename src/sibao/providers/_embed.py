"""One vector for each text, from a network's last hidden states; the same for every kind of network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from sibao.core.errors import BadInput, ContextOverflow
from sibao.nn.heads import first_position, mean_position

BATCH = 16
Pooling = Literal["mean", "cls"]
States = Callable[[Tensor, Tensor], Tensor]
"""Ids and mask (bool) [B, T], padded on the right, to hidden states [B, T, D]."""


def texts_of(texts: str | Sequence[str]) -> list[str]:
    """A string alone is one text."""
    return [texts] if isinstance(texts, str) else list(texts)


@torch.inference_mode()
def vectors(states: States, rows: Sequence[list[int]], context: int, pooling: Pooling = "mean") -> list[list[float]]:
    """The mean over each row's tokens (Reimers & Gurevych 2019, arXiv 1908.10084, section 3), or its first token's state.

    Args:
        rows: token ids of each text. context: tokens that the network holds.

    Raises:
        BadInput: a text without a token, or another pooling. ContextOverflow: one that does not fit; nothing is cut.
    """
    if pooling not in ("mean", "cls"):
        raise BadInput(f"got the pooling {pooling!r}, wanted mean or cls", hint="leave it out for the mean")
    for number, row in enumerate(rows, start=1):
        if not row:
            raise BadInput(f"text {number} has no token", hint="give some text to embed")
        if len(row) > context:
            raise ContextOverflow(len(row), context, what=f"text {number}", hint="give it in shorter parts")
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    pool, found = mean_position if pooling == "mean" else first_position, dict[int, list[float]]()
    for begin in range(0, len(order), BATCH):
        batch = order[begin : begin + BATCH]
        width = len(rows[batch[0]])
        ids_BT = torch.tensor([[*rows[i], *[0] * (width - len(rows[i]))] for i in batch])
        mask_BT = torch.arange(width) < torch.tensor([len(rows[i]) for i in batch])[:, None]
        found |= zip(batch, pool(states(ids_BT, mask_BT).float(), mask_BT).tolist(), strict=True)
    return [found[i] for i in range(len(rows))]
