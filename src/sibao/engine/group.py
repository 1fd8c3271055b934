"""What the model says of the next tokens of texts that are searched."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from sibao.engine.job import Group, Job


def candidates(
    groups: Sequence[Group], rows: Mapping[Job, int], logits_BV: Tensor
) -> Iterator[tuple[Group, list[list[float]], list[list[int]]]]:
    """For each search the log-probabilities and ids of its texts' likeliest next tokens, as ``Beams.advance`` takes them.

    Args:
        rows: of the logits, by text. The probabilities are those after the search's own rules.
    """
    texts = [job for group in groups for job in group.jobs]
    scores_NV = logits_BV[[rows[job] for job in texts]].log_softmax(-1)
    at = 0
    for group in groups:
        here, search = slice(at, at + len(group.jobs)), group.beams.search
        if not search.plain:
            ids = [job.ids for job in group.jobs]
            scores_NV[here] = search.changed(scores_NV[here], ids, group.jobs[0].answered)
        at = here.stop
    best = scores_NV.topk(min(max(group.beams.candidates for group in groups), scores_NV.shape[1]))
    found, tokens = best.values.tolist(), best.indices.tolist()
    at = 0
    for group in groups:
        here = slice(at, at + len(group.jobs))
        yield group, found[here], tokens[here]
        at = here.stop


def broken(scores: list[list[float]]) -> bool:
    """Whether the model gave no numbers."""
    return any(math.isnan(row[0]) for row in scores)
