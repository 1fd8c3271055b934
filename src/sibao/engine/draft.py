"""A small model that guesses for a large one (speculative decoding, arXiv 2211.17192; see ``engine.speculation``)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from sibao.core.errors import BadInput
from sibao.engine.blocks import BlockPool
from sibao.engine.runner import Runner, Step
from sibao.engine.scheduler import Job, blocks_for


@dataclass
class Draft:
    """What the small model has read of a job."""

    ids: list[int] = field(default_factory=list)
    table: array[int] = field(default_factory=lambda: array("i"))


class DraftModel:
    """Greedy guesses of a small model with the same vocabulary, for all jobs of a step together.

    Its cache is its own; a job for which there is no room gets no guess.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._pool = BlockPool(runner.blocks, runner.blocks)
        self._drafts: dict[Job, Draft] = {}

    def refuse(self, vocab_size: int) -> None:
        """BadInput when the vocabulary is another one than the large model's."""
        if (got := self.runner.config.vocab_size) != vocab_size:
            raise BadInput(
                f"the draft model has {got} words, the model {vocab_size}",
                hint="take a smaller model of the same family",
            )

    @torch.inference_mode()
    def guess(self, jobs: Sequence[Job], most: int) -> dict[Job, list[int]]:
        """At most ``most`` tokens that may follow each job's text."""
        going = [job for job in jobs if self._room(job, most)]
        found: dict[Job, list[int]] = {job: [] for job in going}
        for _ in range(most if going else 0):
            step = Step()
            for job in going:
                draft, text = self._drafts[job], [*job.ids, *found[job]]
                same = _in_common(draft.ids, text[:-1])
                step.add(text[same:], same, draft.table, range(len(text) - same - 1, len(text) - same))
                draft.ids = text
            for job, token in zip(going, self.runner.logits(step).argmax(-1).tolist(), strict=True):
                found[job].append(token)
        return found

    def told(self, job: Job, guessed: int, right: int) -> None:
        """How many of the guessed tokens came; the next guess finds it out by itself."""

    def forget(self, job: Job) -> None:
        """A job has ended."""
        if (draft := self._drafts.pop(job, None)) is not None:
            self._pool.release(draft.table)

    def _room(self, job: Job, most: int) -> bool:
        needed = len(job.ids) + most
        if needed > self.runner.config.max_position_embeddings:
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
