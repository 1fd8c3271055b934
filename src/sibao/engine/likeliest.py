"""The best of many scores, and their sum: what every way of choosing a token begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sibao.engine.native.library import library, ready


class Likeliest(NamedTuple):
    """``values`` and ``ids`` [B, count], best first; ``totals`` [B], ln Σ e^score. A row that holds what is no number has
    none for a total, and its other results mean nothing."""

    values: Tensor
    ids: Tensor
    totals: Tensor


def likeliest(scores_BV: Tensor, count: int) -> Likeliest:
    """The ``count`` largest scores of each row. Where the kernels are there, of equals the first comes first; a row's result
    never depends on the other rows."""
    B, V = scores_BV.shape
    if scores_BV.device.type != "cpu" or scores_BV.dtype != torch.float32 or not ready():
        values, ids = (t[:, None] for t in scores_BV.max(-1)) if count == 1 else scores_BV.topk(count)
        return Likeliest(values, ids, scores_BV.logsumexp(-1))
    scores = scores_BV.contiguous()
    values, ids = torch.empty(B, count), torch.empty(B, count, dtype=torch.long)
    totals = torch.empty(B)
    library().sibao_likeliest(
        scores.data_ptr(), B, V, count, values.data_ptr(), ids.data_ptr(), totals.data_ptr(), torch.get_num_threads()
    )
    return Likeliest(values, ids, totals)


def taken(table: Tensor, rows: Sequence[int]) -> Tensor:
    """Some rows of a table: a view of it where they follow each other."""
    first, last = rows[0], rows[-1]
    return table[first : last + 1] if list(rows) == list(range(first, last + 1)) else table[list(rows)]
