"""The bridge to sacrebleu: its counts per sentence, its signature, and one resampled interval from those counts.

sacrebleu can resample by itself, in Python lists; here its counts are taken once (``_extract_corpus_statistics`` is its
only function that gives them for chrF) and everything after is numpy, so an interval costs no more than the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sibao.core.types import Score
from sibao.metrics._intervals import RESAMPLES, SEED, Floats, Statistic, bootstrap, percentile_interval
from sibao.metrics.base import check_texts, signature


def reference_streams(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """Rows of references as sacrebleu's streams: stream r holds the r-th reference of every row, or None."""
    width = max(len(accepted) for accepted in references)
    return [[accepted[r] if r < len(accepted) else None for accepted in references] for r in range(width)]


def row_statistics(metric: Any, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Floats:
    """sacrebleu's sufficient statistics, one line per row, [N, K]; they add up over rows.

    Raises:
        BadInput: see ``base.check_texts``.
    """
    check_texts(hypotheses, references)
    return np.asarray(metric._extract_corpus_statistics(hypotheses, reference_streams(references)), dtype=np.float64)


def corpus_score(name: str, metric: Any, rows: Floats, from_sums: Statistic, **fields: object) -> Score:
    """The score of all rows with the percentile interval of 1,000 resamples (seed 12345).

    Args:
        name: our name of the metric.
        metric: the sacrebleu object that gave ``rows``; its own signature goes into ours as it stands.
        rows: [N, K] from ``row_statistics``.
        from_sums: the score from column sums.
        fields: further ``key:value`` pairs of the signature.
    """
    value = float(from_sums(rows.sum(axis=0, keepdims=True))[0])
    low = high = None
    if len(rows) > 1:
        low, high = percentile_interval(bootstrap(rows, from_sums), value)
    how = signature(name, metric.get_signature().format(), interval="bootstrap", bs=RESAMPLES, seed=SEED, **fields)
    return Score(name=name, value=value, low=low, high=high, n=len(rows), signature=how)
