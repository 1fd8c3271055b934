"""The two forwards of the engine: prompts (prefill) and one token for every row (decode)."""

from __future__ import annotations

import torch
from torch import Tensor

from sibao.engine.scheduler import PREFILL_TOKENS, Job
from sibao.engine.slots import Slots
from sibao.nn.decoder import Decoder


def decode(model: Decoder, slots: Slots, jobs: list[Job]) -> Tensor:
    """Read the last token of each job. Returns the logits of the next one, [B, V] float32."""
    ids = torch.tensor([[job.ids[-1]] for job in jobs], device=slots.device)
    positions = torch.tensor([[len(job.ids) - 1] for job in jobs], device=slots.device)
    view = slots.view([job.row for job in jobs], max(len(job.ids) for job in jobs))
    return model.logits(model(ids, positions, view)[:, 0])


def prefill(model: Decoder, slots: Slots, jobs: list[Job]) -> Tensor:
    """Read the prompts, padded on the right, in pieces. Returns the logits after each prompt, [B, V] float32."""
    width = max(len(job.ids) for job in jobs)
    ids = torch.tensor([job.ids + [0] * (width - len(job.ids)) for job in jobs], device=slots.device)
    rows = [job.row for job in jobs]
    last = [torch.empty(0)] * len(jobs)  # the hidden state after each prompt, [D]
    piece = max(1, PREFILL_TOKENS // len(jobs))
    for start in range(0, width, piece):
        end = min(start + piece, width)
        positions = torch.arange(start, end, device=slots.device).expand(len(jobs), -1)
        hidden = model(ids[:, start:end], positions, slots.view(rows, end))
        for i, job in enumerate(jobs):
            if start < len(job.ids) <= end:
                last[i] = hidden[i, len(job.ids) - 1 - start]
    return model.logits(torch.stack(last))
