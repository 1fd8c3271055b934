"""From begin and end scores of windows to the best stretch of the passage (Devlin et al. 2019, sections 4.2 and 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sibao.core.types import Span
from sibao.text.reading import Window

CANDIDATES = 20
"""Stretches of each window that are compared, and among which a probability is given."""


@dataclass(frozen=True)
class _Found:
    score: float
    start: int
    end: int


def best_span(context: str, parts: Sequence[Window], logits: Sequence[Tensor], longest: int, *, empty: bool) -> Span:
    """The best stretch over all windows.

    Its score is begin + end. "No answer" scores begin + end of the first token, in the window that is least sure of it:
    a passage holds no answer only if no window does. The probability is a softmax over the best candidates.

    Args:
        logits: [T, 2] of each window, padding included. longest: tokens of an answer at most.
    """
    found: dict[tuple[int, int], _Found] = {}
    for part, scores in zip(parts, logits, strict=True):
        for candidate in _candidates(part, scores.float(), longest):
            place = (candidate.start, candidate.end)
            if place not in found or candidate.score > found[place].score:
                found[place] = candidate
    nothing = min(float(scores[0].float().sum()) for scores in logits)
    ranked = sorted(found.values(), key=lambda c: (-c.score, c.start, c.end))[:CANDIDATES]
    scores = torch.tensor([c.score for c in ranked] + ([nothing] if empty or not ranked else []))
    chances = scores.softmax(dim=0).tolist()
    if not ranked or (empty and nothing > ranked[0].score):
        return Span("", None, None, chances[-1], len(parts))
    best = ranked[0]
    return Span(context[best.start : best.end], best.start, best.end, chances[0], len(parts))


def _candidates(part: Window, scores_T2: Tensor, longest: int) -> list[_Found]:
    """The best stretches of a window: inside the passage, the end not before the begin, not too long, not blank."""
    count = len(part.offsets)
    if not count:
        return []
    begin, end = scores_T2[part.first : part.first + count].unbind(dim=-1)
    places = torch.arange(count)
    length = places[None, :] - places[:, None]
    sums = (begin[:, None] + end[None, :]).masked_fill((length < 0) | (length >= longest), -torch.inf)
    best = sums.flatten().topk(min(CANDIDATES, sums.numel()))
    found = []
    for score, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        start, stop = part.offsets[place // count][0], part.offsets[place % count][1]
        if score > -torch.inf and stop > start:
            found.append(_Found(score, start, stop))
    return found
