"""Rows that a network reads whole, in one forward, and writes nothing after: states of encoders, vectors of any network.

They need no cache, so their queue is a simple one: who waits longest is read next, together with the rows of all callers
that are nearest to it in length. A batch takes its turn with the engine's steps, so that texts which the same network
writes go on between two batches, which are smaller then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from sibao.core.fair_lock import FairLock
from sibao.engine.engine import Engine
from sibao.engine.scheduler import BESIDE_TOKENS

MOST_ROWS, MOST_TOKENS = 32, 1024
"""Of one batch, padding included; a longer row goes alone. Beside texts that are written: ``BESIDE_TOKENS``, as of prompts."""
Forward = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Ids, mask (bool) and token types (None: all 0) [B, T], padded on the right, to hidden states [B, T, D]."""
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Row(Generic[T]):
    """One row: at least one token id, their types (None: all 0), and what is wanted of its states [T, D]: only what
    ``make`` gives is kept, so it should hold no view of them, for states take much memory."""

    ids: Sequence[int]
    make: Callable[[Tensor], T]
    types: Sequence[int] | None = None


@dataclass
class _Order:
    """What one caller is given: by row what was made of it, or why it could not be."""

    made: dict[Row[Any], Any]
    fault: Exception | None = None


class WholeRows:
    """The queue of one network; safe to use from several threads, each of which works while it waits.

    Args:
        engine: what the network writes with, where it does.
    """

    def __init__(self, forward: Forward, engine: Engine | None = None) -> None:
        self._forward, self._engine = forward, engine
        self._lock = FairLock()
        self._waiting: dict[Row[Any], _Order] = {}
        self.batches = 0

    def read(self, rows: Sequence[Row[T]]) -> list[T]:
        """What is wanted of each row, in order. Raises what the network and a row's ``make`` raise."""
        mine = sorted(rows, key=lambda row: -len(row.ids))
        made: dict[Row[Any], Any] = {}
        order = _Order(made)
        with self._lock:
            self._waiting |= dict.fromkeys(mine, order)
        try:
            while True:
                with self._lock:  # for one batch: others may begin between two
                    if order.fault is not None:
                        raise order.fault
                    if all(row in made for row in rows):
                        return [made[row] for row in rows]
                    self._work()
        finally:
            with self._lock:
                for row in mine:
                    self._waiting.pop(row, None)

    @torch.inference_mode()
    def _work(self) -> None:
        """One batch, in its turn: whoever holds the own lock is the only one who waits for the engine's. A fault is told to
        all whose rows were in it."""
        batch = self._next()
        try:
            with nullcontext() if self._engine is None else self._engine.lock:
                states = self._states(batch)
            for row, states_TD in zip(batch, states, strict=True):
                self._waiting[row].made[row] = row.make(states_TD)
        except Exception as fault:
            for row in batch:
                self._waiting[row].fault = fault
        for row in batch:
            del self._waiting[row]

    def _next(self) -> list[Row[Any]]:
        """Who waits longest, and those nearest in length."""
        first = next(iter(self._waiting))
        most = MOST_TOKENS if self._engine is None or not self._engine.busy else BESIDE_TOKENS
        batch, width = list[Row[Any]](), 0
        for row in sorted(self._waiting, key=lambda row: (row is not first, abs(len(row.ids) - len(first.ids)))):
            width = max(width, len(row.ids))
            if len(batch) == MOST_ROWS or (batch and width * (len(batch) + 1) > most):
                break
            batch.append(row)
        return batch

    def _states(self, batch: Sequence[Row[Any]]) -> list[Tensor]:
        """[T, D] of each row, without its padding."""
        lengths = [len(row.ids) for row in batch]
        width = max(lengths)
        mask_BT = torch.arange(width) < torch.tensor(lengths)[:, None]
        typed = any(row.types is not None for row in batch)
        types_BT = _padded([row.types or [] for row in batch], width) if typed else None
        states_BTD = self._forward(_padded([row.ids for row in batch], width), mask_BT, types_BT)
        self.batches += 1
        return [states[:length] for states, length in zip(states_BTD, lengths, strict=True)]


def _padded(rows: Sequence[Sequence[int]], width: int) -> Tensor:
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
