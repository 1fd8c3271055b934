"""What requests change about their own logits: repetition penalty, processors, constraint. Faults stay there."""

from __future__ import annotations

import torch
from torch import Tensor

from sibao.core.errors import BadInput
from sibao.engine.sampling import NEVER, repetition_penalty
from sibao.engine.scheduler import Job


def adjusted(jobs: list[Job], logits_BV: Tensor) -> tuple[Tensor, dict[int, str]]:
    """The logits to choose from, and what went wrong by row.

    Args:
        logits_BV: float32, one row per job; not changed.
    """
    failed: dict[int, str] = {}
    rows = {i: job for i, job in enumerate(jobs) if _has_control(job)}
    if not rows:
        return logits_BV, failed
    logits_BV = logits_BV.clone()
    for i, job in rows.items():
        try:
            logits_BV[i] = _adjusted_row(job, logits_BV[i].clone())
        except Exception as error:  # foreign code: whatever it raises ends its own request only
            failed[i] = f"{type(error).__name__}: {error}"
    return logits_BV, failed


def _has_control(job: Job) -> bool:
    request = job.request
    return bool(request.processors) or request.constraint is not None or request.sampling.repetition_penalty != 1


def _adjusted_row(job: Job, logits_V: Tensor) -> Tensor:
    request = job.request
    if request.sampling.repetition_penalty != 1:
        logits_V = repetition_penalty(logits_V, job.ids, request.sampling.repetition_penalty)
    for processor in request.processors:
        shape, logits_V = logits_V.shape, processor(list(job.ids), logits_V)
        if logits_V.shape != shape:
            raise BadInput(f"a processor returned shape {tuple(logits_V.shape)}, wanted {tuple(shape)}")
    if request.constraint is None:
        return logits_V
    allowed = request.constraint.mask(job.ids[len(request.prompt_ids) :])
    if allowed is None:
        return logits_V
    if allowed.shape != logits_V.shape or allowed.dtype != torch.bool:
        got, wanted = tuple(allowed.shape), tuple(logits_V.shape)
        raise BadInput(f"a constraint returned {allowed.dtype} of shape {got}, wanted bool {wanted}")
    return logits_V.masked_fill(~allowed, NEVER)
