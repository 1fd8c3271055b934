"""What the model says of the next tokens of texts that are searched."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from sibao.engine.job import Group, Job
from sibao.engine.likeliest import likeliest, taken


def candidates(
    groups: Sequence[Group], rows: Mapping[Job, int], logits_BV: Tensor
) -> Iterator[tuple[Group, list[list[float]], list[list[int]]]]:
    """For each search the log-probabilities and ids of its texts' likeliest next tokens, as ``Beams.advance`` takes them.

    Args:
        rows: of the logits, by text. The probabilities are those after the search's own rules.
    """
    places = [rows[job] for group in groups for job in group.jobs]
    count = min(max(group.beams.candidates for group in groups), logits_BV.shape[1])
    if all(group.beams.search.plain for group in groups):  # no row changes: they may stand in any order
        whole = len(places) == len(logits_BV)
        best = likeliest(logits_BV if whole else taken(logits_BV, places), count)
        best_NK, ids_NK = best.values - best.totals[:, None], best.ids
        if whole:
            best_NK, ids_NK = best_NK[places], ids_NK[places]
    else:
        best_NK, ids_NK, _ = likeliest(_changed(groups, taken(logits_BV, places).log_softmax(-1)), count)
    found, tokens, at = best_NK.tolist(), ids_NK.tolist(), 0
    for group in groups:
        here = slice(at, at + len(group.jobs))
        yield group, found[here], tokens[here]
        at = here.stop


def _changed(groups: Sequence[Group], scores_NV: Tensor) -> Tensor:
    """The log-probabilities after each search's own rules."""
    at = 0
    for group in groups:
        here, search = slice(at, at + len(group.jobs)), group.beams.search
        if not search.plain:
            ids = [job.ids for job in group.jobs]
            scores_NV[here] = search.changed(scores_NV[here], ids, group.jobs[0].answered)
        at = here.stop
    return scores_NV


def broken(scores: list[list[float]]) -> bool:
    """Whether the model gave no numbers."""
    return any(math.isnan(row[0]) for row in scores)
