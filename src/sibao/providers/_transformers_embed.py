"""Vectors of texts from a network's last hidden states."""

from __future__ import annotations

from typing import Any

import torch

BATCH = 16


@torch.inference_mode()
def vectors(network: Any, rows: list[list[int]], *, first: bool = False) -> list[list[float]]:
    """The mean over each row's tokens (Reimers & Gurevych 2019, arXiv 1908.10084, section 3).

    Args:
        rows: token ids of each text, at least one each.
        first: the state of the first token in place of the mean.
    """
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    found: dict[int, list[float]] = {}
    for begin in range(0, len(order), BATCH):
        batch = order[begin : begin + BATCH]
        width = len(rows[batch[0]])
        ids_BT = torch.tensor([[*rows[i], *[0] * (width - len(rows[i]))] for i in batch], device=network.device)
        mask_BT = torch.tensor(
            [[1] * len(rows[i]) + [0] * (width - len(rows[i])) for i in batch], device=network.device
        )
        hidden_BTD = _hidden(network, ids_BT, mask_BT).float()
        mean_BD = (hidden_BTD * mask_BT[..., None]).sum(1) / mask_BT.sum(1, keepdim=True)
        found |= zip(batch, (hidden_BTD[:, 0] if first else mean_BD).tolist(), strict=True)
    return [found[i] for i in range(len(rows))]


def _hidden(network: Any, ids_BT: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """Last hidden states [B, T, D]: of the encoder where there is one, else of the body below the head."""
    body = network.get_encoder() if network.config.is_encoder_decoder else network.base_model
    states: torch.Tensor = body(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state
    return states
