"""Where a context and its answer, encoded apart, give other tokens than encoded together.

A model then scores an answer that it would never write: a Han character split over the border, a space that belongs to the
next word. lm-evaluation-harness and Sibao encode together and cut at the length of the context alone, which hides the case;
this shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sibao.evaluation.sample import Loglikelihood, Sample

Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Split:
    """One request whose tokens change at the border. The lists hold token ids from the first that differs."""

    sample: str
    context_end: str
    continuation: str
    apart: list[int]
    together: list[int]


def splits(encode: Encode, samples: Sequence[Sample], most: int = 20) -> tuple[int, int, list[Split]]:
    """(requests that differ, requests looked at, the first ``most`` of those that differ).

    ``encode`` must add no tokens of its own at the beginning. Contexts that are messages are rendered by the model's
    template, which ends in a control token, and are left out.
    """
    differ, seen, shown = 0, 0, list[Split]()
    known: dict[str, list[int]] = {}
    for sample in samples:
        for request in sample.requests:
            if not isinstance(request, Loglikelihood) or not isinstance(request.context, str) or not request.context:
                continue
            seen += 1
            found = split(encode, request, sample.id, known)
            if found is not None:
                differ += 1
                shown += [found] if len(shown) < most else []
    return differ, seen, shown


def split(encode: Encode, request: Loglikelihood, sample: str, known: dict[str, list[int]]) -> Split | None:
    """The request's tokens around the border where they differ; None where they do not. ``known`` keeps contexts."""
    context = str(request.context)
    if context not in known:
        known[context] = encode(context)
    apart = known[context] + encode(request.continuation)
    together = encode(context + request.continuation)
    if apart == together:
        return None
    at = next((i for i, (a, b) in enumerate(zip(apart, together, strict=False)) if a != b), 0)
    return Split(sample, context[-20:], request.continuation[:40], apart[at : at + 8], together[at : at + 8])
