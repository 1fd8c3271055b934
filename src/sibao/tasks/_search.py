"""Finding the parts of a long passage that a question is about: overlapping windows ranked by BM25."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sibao.tasks._pieces import Fits
from sibao.text.language import HAN

K1, B = 1.2, 0.75
_RUN = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+")


@dataclass(frozen=True)
class Window:
    """A part of a passage and the offset where it begins."""

    text: str
    start: int


def windows(units: Sequence[str], fits: Fits, overlap: float = 0.25) -> list[Window]:
    """Runs of whole units (sentences) that fit; a window begins with the last quarter of the units of the one before.

    Every unit is in some window; every unit must fit on its own. Where a quarter and one new unit do not fit
    together the overlap shrinks.
    """
    offsets = [0]
    for unit in units:
        offsets.append(offsets[-1] + len(unit))
    found: list[Window] = []
    first = covered = 0
    while covered < len(units):
        end = max(first + 1, covered)
        if first < covered and not fits("".join(units[first : covered + 1])):
            first += 1
            continue
        while end < len(units) and fits("".join(units[first : end + 1])):
            end += 1
        found.append(Window("".join(units[first:end]), offsets[first]))
        first, covered = max(first + 1, end - round(overlap * (end - first))), end
    return found


def terms(text: str) -> list[str]:
    """Latin words and figures in lower case; Han text as overlapping pairs of characters (a lone one as it is)."""
    found: list[str] = []
    for run in _RUN.findall(text.lower()):
        if re.match(f"[{HAN}]", run) and len(run) > 1:
            found += [run[i : i + 2] for i in range(len(run) - 1)]
        else:
            found.append(run)
    return found


def bm25(question: str, documents: Sequence[str]) -> list[float]:
    """Okapi BM25 of each document for the question (Robertson & Zaragoza 2009, eq. 3.15, with idf floored above 0)."""
    counts = [Counter(terms(document)) for document in documents]
    lengths = [sum(count.values()) for count in counts]
    mean = sum(lengths) / max(len(lengths), 1) or 1.0
    scores = [0.0] * len(documents)
    for term in sorted(set(terms(question))):
        holders = sum(term in count for count in counts)
        idf = math.log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
        for i, count in enumerate(counts):
            weight = count[term] + K1 * (1 - B + B * lengths[i] / mean)
            scores[i] += idf * count[term] * (K1 + 1) / weight
    return scores


def rank(question: str, found: Sequence[Window]) -> list[Window]:
    """Windows by falling score; equals in the order of the passage."""
    scores = bm25(question, [window.text for window in found])
    return [found[i] for i in sorted(range(len(found)), key=lambda i: (-scores[i], i))]
