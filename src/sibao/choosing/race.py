"""A race: models answer the same rows in growing batches; who is beaten stops costing.

Model j is dropped when the wealth bet on "i is better than j" (see ``sequences``) reaches K (K - 1) / delta for any i, K models:
then all such statements of the race are true at once with probability 1 - delta at least, whenever it stops (successive
elimination, Even-Dar et al. 2006, with betting in place of Hoeffding's bound). The race knows nothing of models: a function
answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sibao.choosing.race_result import Answer, Beaten, Lane, Plan, RaceResult, Stopped
from sibao.choosing.sequences import FRACTIONS, Floats, advance
from sibao.core.errors import BadInput


def race(
    names: Sequence[str],
    answer: Answer,
    rows: int,
    plan: Plan | None = None,
    on_batch: Callable[[str, int], object] = lambda name, rows: None,
) -> RaceResult:
    """Run a race over ``rows`` rows until one model is left, or rows or money are.

    Args:
        on_batch: told (name, rows) whenever a model has answered.

    Raises:
        BadInput: no models or rows, a name twice, or a value outside [0, 1].
    """
    if not names or len(set(names)) < len(names) or rows < 1:
        raise BadInput(
            f"got {len(names)} models ({len(set(names))} different) and {rows} rows, wanted at least one of each"
        )
    running = _Race(list(names), answer, rows, plan or Plan(), on_batch)
    while running.stopped is None:
        running.round()
    return running.result()


def row_order(rows: int, seed: int) -> list[int]:
    """The order in which a race with that seed asks its rows."""
    found: list[int] = np.random.default_rng(seed).permutation(rows).tolist()
    return found


class _Race:
    """A race under way. ``table`` [K, N] holds values in the order asked, NaN where there is none."""

    def __init__(
        self, names: list[str], answer: Answer, rows: int, plan: Plan, on_batch: Callable[..., object]
    ) -> None:
        self.names, self.answer, self.plan, self.on_batch = names, answer, plan, on_batch
        self.order = row_order(rows, plan.seed)[: plan.most or rows]
        self.table = np.full((len(names), len(self.order)), np.nan)
        self.wealth: Floats = np.zeros((len(names), len(names), len(FRACTIONS)))
        self.asked, self.tokens = [0] * len(names), [0] * len(names)
        self.cost = [0.0] * len(names)
        self.beaten: dict[int, Beaten] = {}
        self.seen, self.exhausted, self.available = 0, False, rows
        self.needed = len(names) * (len(names) - 1) / plan.delta

    @property
    def active(self) -> list[int]:
        return [k for k in range(len(self.names)) if k not in self.beaten]

    @property
    def stopped(self) -> Stopped | None:
        if len(self.active) == 1:
            return "one left"
        if self.seen >= len(self.order):
            return "rows"
        return "budget" if self.exhausted or self.batch() == 0 else None

    def batch(self) -> int:
        """Rows of the next batch; fewer where the money left is expected to reach for fewer."""
        size = self.plan.first if not self.seen else max(self.plan.first // 2, int(self.seen * self.plan.growth), 1)
        size = min(size, len(self.order) - self.seen)
        if self.plan.max_cost is None:
            return size
        left, per_row = (
            self.plan.max_cost - sum(self.cost),
            sum(self.cost[k] / max(1, self.asked[k]) for k in self.active),
        )
        return min(size, max(0, math.floor(left / per_row))) if per_row > 0 else size

    def round(self) -> None:
        """One batch for every model that is left, then the eliminations."""
        columns = slice(self.seen, self.seen + self.batch())
        for k in self.active:
            self._ask(k, columns)
        self.seen = columns.stop
        self._eliminate(self.table[:, columns])

    def _ask(self, k: int, columns: slice) -> None:
        rows = self.order[columns]
        reply = self.answer(self.names[k], rows)
        values = np.array([np.nan if v is None else v for v in reply.values], dtype=np.float64)
        if len(values) != len(rows) or ((values < 0) | (values > 1)).any():
            raise BadInput(f"{self.names[k]} gave {len(values)} values for {len(rows)} rows, or one outside 0..1")
        self.table[k, columns] = values
        self.asked[k] += len(rows)
        self.tokens[k] += reply.tokens
        self.cost[k] += reply.cost
        self.exhausted = self.exhausted or reply.exhausted
        self.on_batch(self.names[k], len(rows))

    def _eliminate(self, values: Floats) -> None:
        pairs = [(i, j) for i in self.active for j in self.active if i != j]
        if not pairs:
            return
        first, second = np.array(pairs).T
        gains = np.nan_to_num(values[first] - values[second], nan=0.0)  # a row that one of them lacks is no bet
        wealth, best = advance(self.wealth[first, second], gains)
        self.wealth[first, second] = wealth
        for p in np.argsort(-best):
            i, j = pairs[p]
            # A winner that falls in the same round no longer counts, so that one model always remains.
            if best[p] >= math.log(self.needed) and i not in self.beaten and j not in self.beaten:
                both = self.table[i, : self.seen] - self.table[j, : self.seen]
                self.beaten[j] = Beaten(
                    self.names[j], self.names[i], self.seen, float(np.nanmean(both)), math.exp(min(best[p], 700.0)), self.needed
                )  # fmt: skip

    def result(self) -> RaceResult:
        stopped = self.stopped or "rows"
        lanes = tuple(self._lane(k) for k in range(len(self.names)))
        return RaceResult(lanes, stopped, self.available, tuple(self.order[: self.seen]), self.plan)

    def _lane(self, k: int) -> Lane:
        given = self.table[k, : self.asked[k]].tolist()
        by_row = tuple(None if math.isnan(value) else value for value in given)
        return Lane(self.names[k], by_row, self.tokens[k], self.cost[k], self.beaten.get(k))
