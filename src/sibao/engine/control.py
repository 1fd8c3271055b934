"""What requests change about their own logits: bias, penalties, min_tokens, processors, constraint. Faults stay there.

An engine calls ``prepare`` just before a step's forward and ``adjusted`` with the logits that it gives; the constraints'
masks are then computed beside the forward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from sibao.core.errors import BadInput
from sibao.engine.filters import NEVER
from sibao.engine.job import Job
from sibao.engine.penalties import Penalised, Seen, add_bias, check_bias, forbid, penalise, uses_penalties

_SEEN: WeakKeyDictionary[Job, Seen] = WeakKeyDictionary()
"""What is known of running jobs; it goes with them."""


def prepare(jobs: Sequence[Job]) -> None:
    """Let constraints begin with the masks of the next tokens; for the jobs that the coming forward gives logits of.

    A constraint that has no ``prepare(ids)``, or fails in it, computes its mask later; a fault shows then.
    """
    for job in jobs:
        begin = getattr(job.request.constraint, "prepare", None)
        if begin is not None:
            with suppress(Exception):  # foreign code
                begin(_answer(job))


def adjusted(jobs: Sequence[Job], logits_BV: Tensor, *, inplace: bool = False) -> tuple[Tensor, dict[int, str]]:
    """The logits to choose from, and what went wrong by row.

    Args:
        logits_BV: float32, one row per job; not changed unless ``inplace``.
    """
    failed: dict[int, str] = {}
    rows = [i for i, job in enumerate(jobs) if _has_control(job)]
    if not rows:
        return logits_BV, failed
    logits_BV = logits_BV if inplace and logits_BV.is_contiguous() else _copied(logits_BV)
    biased, penalised = [], []
    for i in _sound(rows, failed, lambda i: check_bias(jobs[i].request.sampling, logits_BV.shape[-1])):
        sampling = jobs[i].request.sampling
        if sampling.logit_bias:
            biased.append((i, sampling))
        if uses_penalties(sampling):
            penalised.append(Penalised(i, _seen(jobs[i], logits_BV.shape[-1]), sampling))
    if biased:
        add_bias(logits_BV, biased)
    if penalised:
        penalise(logits_BV, penalised)
    early = [(i, jobs[i].request.stop_ids) for i in rows if _too_early(jobs[i])]
    if early:
        forbid(logits_BV, early)
    own = [
        i for i in rows if i not in failed and (jobs[i].request.processors or jobs[i].request.constraint is not None)
    ]
    _sound(own, failed, lambda i: _row(jobs[i], logits_BV[i]))
    return logits_BV, failed


def _copied(logits_BV: Tensor) -> Tensor:
    return logits_BV.clone(memory_format=torch.contiguous_format)


def _sound(rows: list[int], failed: dict[int, str], work: Callable[[int], None]) -> list[int]:
    """Work on each row; returns those that went well. Some of it is foreign code: whatever it raises ends its own request
    only."""
    for i in rows:
        try:
            work(i)
        except Exception as error:
            failed[i] = f"{type(error).__name__}: {error}"
    return [i for i in rows if i not in failed]


def _has_control(job: Job) -> bool:
    request, sampling = job.request, job.request.sampling
    return bool(
        request.processors
        or request.constraint is not None
        or sampling.logit_bias
        or uses_penalties(sampling)
        or _too_early(job)
    )


def takes_the_best(job: Job) -> bool:
    """Whether the job's next token, and each one after it, is the likeliest of the model's own scores."""
    return not (job.request.sampling.temperature or _has_control(job))


def _too_early(job: Job) -> bool:
    """Whether the answer may not end yet."""
    return job.answered < job.request.sampling.min_tokens and bool(job.request.stop_ids)


def _answer(job: Job) -> list[int]:
    return job.ids[len(job.request.prompt_ids) :]


def _seen(job: Job, vocab: int) -> Seen:
    seen = _SEEN.get(job)
    if seen is None:
        seen = _SEEN[job] = Seen(job.request, vocab)
    seen.read(_answer(job))
    return seen


def _row(job: Job, logits_V: Tensor) -> None:
    """Processors, then the constraint, written into the row."""
    request = job.request
    if request.processors:
        new_V = logits_V.clone()
        for processor in request.processors:
            new_V = processor(list(job.ids), new_V)
            if new_V.shape != logits_V.shape:
                got, wanted = tuple(new_V.shape), tuple(logits_V.shape)
                raise BadInput(f"a processor returned shape {got}, wanted {wanted}", hint="return one logit per token")
        logits_V.copy_(new_V)
    allowed = None if request.constraint is None else request.constraint.mask(_answer(job))
    if allowed is not None:
        _constrain(job, logits_V, allowed)


def _constrain(job: Job, logits_V: Tensor, allowed: Tensor) -> None:
    """Leave only what is allowed. A mask of another length than the logits: tokens beyond its end may not come."""
    if allowed.dtype != torch.bool or allowed.dim() != 1:
        raise BadInput(
            f"a constraint returned {allowed.dtype} of shape {tuple(allowed.shape)}, wanted bool of one dimension",
            hint="return True for each token that may come",
        )
    known = min(len(allowed), len(logits_V))
    allowed = allowed[:known].to(logits_V.device)
    if _too_early(job):
        stops = [token for token in job.request.stop_ids if token < known]
        if not bool(allowed.index_fill(0, torch.tensor(stops, dtype=torch.long, device=allowed.device), False).any()):
            raise BadInput(
                f"the answer is complete after {job.answered} tokens and min_tokens is {job.request.sampling.min_tokens}",
                hint="lower min_tokens, or loosen the constraint",
            )
    logits_V[:known].masked_fill_(~allowed, NEVER)
    logits_V[known:] = NEVER
