"""chrF from sacrebleu's counts: what ``chrf`` and ``chrf_pp`` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sibao.core.types import Score
from sibao.metrics import _sacrebleu
from sibao.metrics._intervals import Floats

BETA = 2


def from_sums(sums: Floats) -> Floats:
    """chrF of each line of summed statistics, [R, 3 orders] -> [R]: n-grams of hypothesis, of reference, and shared.

    Precision and recall are averaged over the orders that both sides reach, then F = (1 + b²)PR / (b²P + R) with b = 2.
    """
    ours, theirs, shared = (sums[:, column::3] for column in range(3))
    reached = (ours > 0) & (theirs > 0)
    orders = np.maximum(reached.sum(axis=1), 1)
    precision = np.where(reached, shared / np.maximum(ours, 1), 0.0).sum(axis=1) / orders
    recall = np.where(reached, shared / np.maximum(theirs, 1), 0.0).sum(axis=1) / orders
    weighted = BETA**2 * precision + recall
    return 100 * (1 + BETA**2) * precision * recall / np.where(weighted > 0, weighted, 1.0)


def metric(word_order: int) -> Any:
    """sacrebleu's chrF with character n-grams of 1 to 6 and word n-grams up to ``word_order``."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(word_order=word_order, beta=BETA)


def row_statistics(hypotheses: Sequence[str], references: Sequence[Sequence[str]], word_order: int) -> Floats:
    """Counts per row, [N, 3 orders]."""
    return _sacrebleu.row_statistics(metric(word_order), hypotheses, references)


def score(
    name: str, hypotheses: Sequence[str], references: Sequence[Sequence[str]], language: str | None, word_order: int
) -> Score:
    """Corpus chrF in 0..100 with its interval."""
    tool = metric(word_order)
    rows = _sacrebleu.row_statistics(tool, hypotheses, references)
    return _sacrebleu.corpus_score(
        name, tool, rows, from_sums, lang=language or "any", tok="none", unit="char", beta=BETA
    )
