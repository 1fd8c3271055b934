"""Steps over whole sequences on any runner."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import torch
from torch import Tensor

from sibao.engine.runner import BLOCK, Runner, Step


def tables(rows: Sequence[Sequence[int]], spare: int = 0) -> list[array[int]]:
    """Blocks for each sequence, none shared, the later ones of a sequence first: their order must not matter."""
    found, first = [], spare
    for row in rows:
        count = -(-len(row) // BLOCK)
        found.append(array("i", reversed(range(first, first + count))))
        first += count
    return found


@torch.inference_mode()
def logits_of(runner: Runner, rows: Sequence[Sequence[int]], piece: int = 1000) -> list[Tensor]:
    """Logits of every position of every sequence, [T, V] each; ``piece`` tokens of each sequence at a time."""
    places, found = tables(rows), [[] for _ in rows]  # type: list[array[int]], list[list[Tensor]]
    for start in range(0, max(map(len, rows)), piece):
        step, taken = Step(), []
        for i, row in enumerate(rows):
            part = row[start : start + piece]
            if part:
                step.add(list(part), start, places[i], range(len(part)))
                taken.append((i, len(part)))
        parts = runner.logits(step).clone().split([size for _, size in taken])
        for (i, _), logits in zip(taken, parts, strict=True):
            found[i].append(logits)
    return [torch.cat(parts) for parts in found]
