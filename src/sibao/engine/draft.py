"""A small model that guesses for a large one (speculative decoding, arXiv 2211.17192; see ``engine.speculation``)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from sibao.engine.blocks import BlockPool
from sibao.engine.engine import Engine
from sibao.engine.job import Job
from sibao.engine.runner import Step, blocks_for, vocabulary
from sibao.engine.speculation import longer


@dataclass
class Draft:
    """What the small model has read of a job, and how many tokens it guesses next."""

    ids: list[int] = field(default_factory=list)
    table: array[int] = field(default_factory=lambda: array("i"))
    length: int = 4


class DraftModel:
    """Greedy guesses of a small model, for all jobs of a step together. How many follows how often they were right.

    It uses the small engine's runner as if the cache were its own; a job for which there is no room gets no guess.

    Args:
        engine: of the small model; nobody else asks it anything.
        words: of the large model's vocabulary; the small one may have padded it to another size (None: the same).
    """

    def __init__(self, engine: Engine, words: int | None = None) -> None:
        self._engine, self._runner = engine, engine.runner
        own = vocabulary(engine.config)
        self._words, self._may_lack = min(words or own, own), (words or own) > own
        self._pool = BlockPool(self._runner.blocks, self._runner.blocks)
        self._drafts: dict[Job, Draft] = {}

    @torch.inference_mode()
    def guess(self, jobs: Sequence[Job], most: int) -> dict[Job, list[int]]:
        """At most ``most`` tokens that may follow each job's text."""
        if not self._drafts:
            self._improve()
        found: dict[Job, list[int]] = {job: [] for job in jobs if self._ready(job, most)}
        lengths = {job: min(most, self._drafts[job].length) for job in found}
        for number in range(max(lengths.values(), default=0)):
            going = [job for job in found if number < lengths[job]]
            step = Step()
            for job in going:
                draft, text = self._drafts[job], [*job.ids, *found[job]]
                same = _in_common(draft.ids, text[:-1])
                step.add(text[same:], same, draft.table, range(len(text) - same - 1, len(text) - same))
                draft.ids = text
            logits_BV = self._runner.logits(step)[:, : self._words]
            for job, token in zip(going, logits_BV.argmax(-1).tolist(), strict=True):
                found[job].append(token)
        return found

    def told(self, job: Job, guessed: int, right: int) -> None:
        """How many of the guessed tokens came."""
        if job in self._drafts and guessed:
            self._drafts[job].length = longer(self._drafts[job].length, guessed, right)

    def forget(self, job: Job) -> None:
        """A job has ended."""
        if (draft := self._drafts.pop(job, None)) is not None:
            self._pool.release(draft.table)

    def _improve(self) -> None:
        """Nothing is kept for anybody: the small engine may have a faster runner by now."""
        self._engine.improve()
        if self._engine.runner is not self._runner:
            self._runner = self._engine.runner
            self._pool = BlockPool(self._runner.blocks, self._runner.blocks)

    def _ready(self, job: Job, most: int) -> bool:
        """Whether the small model can read a job's text and ``most`` tokens more; then it has blocks for them."""
        needed = len(job.ids) + most
        if needed > self._runner.config.max_position_embeddings:
            return False
        if self._may_lack and max(job.ids) >= self._words:
            return False
        draft = self._drafts.setdefault(job, Draft())
        taken = self._pool.take(max(0, blocks_for(needed) - len(draft.table)))
        if taken is not None:
            draft.table.extend(taken)
        return taken is not None


def _in_common(one: Sequence[int], two: Sequence[int]) -> int:
    """Tokens that both begin with."""
    size = min(len(one), len(two))
    if one[:size] == two[:size]:
        return size
    return next(i for i in range(size) if one[i] != two[i])
