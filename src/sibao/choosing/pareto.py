"""Candidates against each other on several figures: who is beaten on none, and what weights make of it.

A candidate stands on the Pareto front where no other is at least as good in everything that is known of it and better in
something. Weights turn the figures into one: quality counts as it is (0 to 1), every other figure as its distance from the
worst candidate's, so that a difference of one percent stays one (it is not stretched to the whole scale).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

from sibao.choosing.cells import Cells, cell_of

Table = Mapping[str, Cells]
"""Cells of each candidate, by its name."""


@dataclass(frozen=True)
class Criterion:
    """A figure that candidates are compared by, and its unit."""

    better: Literal["higher", "lower"]
    unit: str = ""


CRITERIA: dict[str, Criterion] = {
    "quality": Criterion("higher"),
    "cost": Criterion("lower", "/ 1000 requests"),
    "latency": Criterion("lower", "s"),
    "speed": Criterion("higher", "tokens/s"),
    "memory": Criterion("lower", "bytes"),
    "parameters": Criterion("lower"),
    "energy": Criterion("lower", "J / request"),
}
"""Every figure, in the order of the table."""
EVEN = {"cost": 1.0, "latency": 1.0, "memory": 1.0, "parameters": 1.0}
"""Weights among candidates of equal quality where the user names none."""


@dataclass(frozen=True)
class Span:
    """While a weight lies between ``low`` and ``high`` (of 1 in all), ``name`` is the pick."""

    name: str
    low: float
    high: float


def front(table: Table) -> list[str]:
    """Names of the candidates that no other one dominates, in the table's order."""
    return [
        name for name in table if not any(_dominates(table[other], table[name]) for other in table if other != name)
    ]


def _dominates(a: Cells, b: Cells) -> bool:
    """a is as good as b in every figure that b has, and better in one. A figure that a lacks is no proof."""
    better = False
    for key, criterion in CRITERIA.items():
        ours, theirs = cell_of(a, key).number, cell_of(b, key).number
        if theirs is None:
            continue
        if ours is None or not _alike([a, b], key):
            return False
        gain = ours - theirs if criterion.better == "higher" else theirs - ours
        if gain < 0:
            return False
        better = better or gain > 0
    return better


def _alike(several: Sequence[Cells], key: str) -> bool:
    """Measured energy and estimated energy are two things, never one column."""
    return key != "energy" or len({cell_of(cells, key).kind for cells in several}) == 1


def points(table: Table, key: str) -> dict[str, float] | None:
    """Every candidate's figure on 0..1, the higher the better; None where one has none, or they do not differ."""
    values = {name: cell_of(cells, key).number for name, cells in table.items()}
    numbers = [value for value in values.values() if value is not None]
    if len(numbers) < len(values) or not numbers or min(numbers) == max(numbers) or max(numbers) <= 0:
        return None
    if not _alike(list(table.values()), key):
        return None
    if key == "quality":
        return {name: float(value or 0) for name, value in values.items()}
    share = {name: float(value or 0) / max(numbers) for name, value in values.items()}
    return share if CRITERIA[key].better == "higher" else {name: 1 - s for name, s in share.items()}


def usable(table: Table, weights: Mapping[str, float]) -> dict[str, float]:
    """The weights whose figures are known for all and differ, adding up to 1; empty where there are none."""
    found = {key: weight for key, weight in weights.items() if weight > 0 and points(table, key) is not None}
    total = sum(found.values())
    return {key: weight / total for key, weight in found.items()}


def utilities(table: Table, weights: Mapping[str, float]) -> dict[str, float]:
    """The weighted sum of each candidate, in the table's order; zeros where no weight is usable."""
    total = dict.fromkeys(table, 0.0)
    for key, weight in usable(table, weights).items():
        for name, value in (points(table, key) or {}).items():
            total[name] += weight * value
    return total


def spans(table: Table, weights: Mapping[str, float], key: str) -> list[Span]:
    """Who is the pick as the weight of ``key`` goes from 0 to 1, the others keeping their proportions.

    Each candidate's sum is a straight line in that weight; the ends are where the highest line changes.
    """
    ours = points(table, key)
    if ours is None:
        return []
    rest = utilities(table, {k: w for k, w in weights.items() if k != key})
    cuts = {0.0, 1.0}
    for a, b in combinations(table, 2):
        slope = (ours[a] - rest[a]) - (ours[b] - rest[b])
        if slope and 0 < (cut := (rest[b] - rest[a]) / slope) < 1:
            cuts.add(cut)
    return _joined(table, ours, rest, sorted(cuts))


def _joined(table: Table, ours: dict[str, float], rest: dict[str, float], cuts: Sequence[float]) -> list[Span]:
    found: list[Span] = []
    for low, high in pairwise(cuts):
        middle = (low + high) / 2
        name = max(table, key=lambda one: middle * ours[one] + (1 - middle) * rest[one])
        if found and found[-1].name == name:
            found[-1] = Span(name, found[-1].low, high)
        else:
            found.append(Span(name, low, high))
    return found
