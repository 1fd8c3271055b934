"""The few tokens that a draw is between, found without sorting the vocabulary.

Sorting 150 000 scores takes longer than reading a small model's weights, and top-k and top-p nearly always leave a few
dozen tokens. So the best ones are taken first and everything else happens among them. Where they turn out to be too few
(a flat distribution, or equal scores at the border), the row takes the long way of ``engine.filters``. Both ways leave
the same tokens. Which way a row takes depends on that row alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sibao.core.types import Sampling
from sibao.engine.filters import NEVER, filtered
from sibao.engine.likeliest import taken

SMALL = 2048
"""Vocabularies up to this size are filtered as a whole."""
FEW, MANY, MOST = 64, 512, 4096
"""Tokens that are looked at first: for a small top-k, for a large one or top-p, and where these were too few."""


@dataclass(frozen=True)
class Choices:
    """What some rows draw between: filtered logits [R, W] and the token id of each place, None where it is the place."""

    rows: list[int]
    logits: Tensor
    ids: Tensor | None = None


def choices(logits_BV: Tensor, settings: Sequence[Sampling], rows: Sequence[int]) -> Iterator[Choices]:
    """The choices of ``rows``, each row once; rows that go the same way together. None may have temperature 0."""
    vocab = logits_BV.shape[-1]
    long: list[int] = []
    ways: dict[_Way, list[int]] = {}
    for row in rows:
        way = _way(settings[row], vocab)
        (long if way is None else ways.setdefault(way, [])).append(row)
    while ways:
        way, some = ways.popitem()
        values, ids, fine = way.find(taken(logits_BV, some), [settings[row] for row in some], way.width)
        kept = [i for i, good in enumerate(fine.tolist()) if good]
        if kept:
            ids, order = taken(ids, kept).sort(-1)  # as they stand in the vocabulary: a draw goes along it
            values, good = taken(values, kept).gather(-1, order), [some[i] for i in kept]
            yield Choices(good, filtered(values, [settings[row] for row in good], way.done), ids)
        left = [row for i, row in enumerate(some) if i not in set(kept)]
        if left:
            wider = replace(way, width=MOST)
            (ways.setdefault(wider, []) if way.width < MOST < vocab // 4 else long).extend(left)
    if long:
        yield Choices(long, filtered(taken(logits_BV, long), [settings[row] for row in long]))


@dataclass(frozen=True)
class _Way:
    """By which filter the best tokens are found, how many are looked at first, and which settings are dealt with then."""

    find: Callable[[Tensor, list[Sampling], int], tuple[Tensor, Tensor, Tensor]]
    width: int
    done: tuple[str, ...]


def _way(setting: Sampling, vocab: int) -> _Way | None:
    """None: the long way."""
    if vocab > SMALL and 0 < setting.top_k < MANY:
        return _Way(_top_k, FEW if setting.top_k < FEW else MANY, ("top_k",))
    if vocab > SMALL and setting.top_k == 0 and setting.top_p < 1:
        return _Way(_top_p, MANY, ("temperature", "top_k", "top_p"))
    return None


def _top_k(logits_RV: Tensor, settings: list[Sampling], width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values and ids [R, width] of the best tokens, NEVER beyond the k-th, and whether that is all of them [R]."""
    values, ids = logits_RV.topk(width, dim=-1)
    k_R1 = torch.tensor([[s.top_k] for s in settings], device=values.device)
    values = values.masked_fill(values < values.gather(-1, k_R1 - 1), NEVER)
    return values, ids, values[:, -1] == NEVER


def _top_p(logits_RV: Tensor, settings: list[Sampling], width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same for the nucleus; the values are divided by the temperature. Of equals the one that stands last in the
    vocabulary comes first, as in ``filters.top_p``."""
    scaled_RV = logits_RV / torch.tensor([[s.temperature] for s in settings], device=logits_RV.device)
    values, ids = scaled_RV.topk(width, dim=-1)
    ids, order = ids.sort(dim=-1, descending=True)
    values, order = values.gather(-1, order).sort(dim=-1, descending=True, stable=True)
    ids = ids.gather(-1, order)
    share = (values - scaled_RV.logsumexp(-1, keepdim=True)).exp()
    p_R1 = torch.tensor([[s.top_p] for s in settings], device=values.device)
    keep = share.cumsum(-1) - share < p_R1
    keep[:, 0] = True
    border = values.masked_fill(~keep, float("inf")).amin(-1)
    fine = ~keep[:, -1] & (values[:, -1] < border)
    return values.masked_fill(~keep, NEVER), ids, fine
