"""One vector for each text, from a network's last hidden states; the same for every kind of network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from torch import Tensor

from sibao.core.errors import BadInput, ContextOverflow
from sibao.engine.whole_rows import Row, WholeRows
from sibao.nn.heads import first_position, mean_position

Pooling = Literal["mean", "cls"]
_POOLS: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {"mean": mean_position, "cls": first_position}


def texts_of(texts: str | Sequence[str]) -> list[str]:
    """A string alone is one text."""
    return [texts] if isinstance(texts, str) else list(texts)


def vectors(whole: WholeRows, rows: Sequence[list[int]], context: int, pooling: Pooling = "mean") -> list[list[float]]:
    """The mean over each row's tokens (Reimers & Gurevych 2019, arXiv 1908.10084, section 3), or its first token's state.

    Args:
        rows: token ids of each text. context: tokens that the network holds.

    Raises:
        BadInput: a text without a token, or another pooling. ContextOverflow: one that does not fit; nothing is cut.
    """
    if pooling not in _POOLS:
        raise BadInput(f"got the pooling {pooling!r}, wanted mean or cls", hint="leave it out for the mean")
    for number, row in enumerate(rows, start=1):
        if not row:
            raise BadInput(f"text {number} has no token", hint="give some text to embed")
        if len(row) > context:
            raise ContextOverflow(len(row), context, what=f"text {number}", hint="give it in shorter parts")
    pool = _POOLS[pooling]

    def make(states_TD: Tensor) -> list[float]:
        found: list[float] = pool(states_TD[None].float(), None)[0].tolist()
        return found

    return whole.read([Row(row, make) for row in rows])
