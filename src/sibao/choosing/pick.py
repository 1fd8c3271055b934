"""The pick and its reasons: quality first, as the race found it; then weights among those that it could not tell apart.

Where the user gives quality a weight, it is one figure among others and everyone takes part. How sure the pick is, and for which
weights it would be another, is part of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sibao.choosing.pareto import CRITERIA, EVEN, Span, Table, front, spans, usable, utilities
from sibao.choosing.race_result import RaceResult
from sibao.core.errors import BadInput, UnknownName

By = Literal["race", "weights", "only one left", "nobody"]
Verdict = Literal["best", "not distinguishable", "not raced"]


@dataclass(frozen=True)
class Pick:
    """Who, and why.

    ``by``: the race left one; weights decided among ``rivals`` (all that the weights were asked about); only one kept the
    limits; or nobody did. ``verdict`` speaks of quality alone. ``weights`` are those in use, adding up to 1, ``unused`` those
    whose figure is not known for all or does not differ. ``spans``: for each weight, who would be the pick along it.
    """

    name: str | None
    by: By
    verdict: Verdict
    rivals: tuple[str, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    utilities: dict[str, float] = field(default_factory=dict)
    front: tuple[str, ...] = ()
    spans: dict[str, list[Span]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def choose_pick(table: Table, result: RaceResult | None, weights: Mapping[str, float]) -> Pick:
    """The pick among candidates that kept the limits. ``weights`` empty: equal ones among those of equal quality.

    Raises:
        UnknownName: a weight of no figure. BadInput: a weight below 0, or all of them 0.
    """
    _check(weights)
    if not table:
        return Pick(None, "nobody", "not raced")
    asked = dict(weights) or EVEN
    along = {"quality": 1.0, **asked} if "quality" not in asked else asked
    # Who failed on most rows has survived the race, but left the table.
    left = [] if result is None else [name for name in result.survivors if name in table]
    verdict: Verdict = "not raced" if result is None else "best" if len(left) == 1 else "not distinguishable"
    rivals = list(table) if "quality" in asked else left or list(table)
    shared: dict[str, Any] = {
        "verdict": verdict, "front": tuple(front(table)), "spans": {key: spans(table, along, key) for key in along},
    }  # fmt: skip
    if len(rivals) == 1:
        by: By = "race" if len(table) > 1 else "only one left"
        return Pick(rivals[0], by, rivals=tuple(rivals), weights=usable(table, asked), **shared)
    part = {name: table[name] for name in rivals}
    sums, used = utilities(part, asked), usable(part, asked)
    unused = tuple(key for key, weight in asked.items() if weight > 0 and key not in used)
    # Equal sums fall to the better measured figure, then to the order in which the user named them.
    best = max(part, key=lambda name: (round(sums[name], 12), _quality(table, name)))
    return Pick(best, "weights", rivals=tuple(rivals), weights=used, unused=unused, utilities=sums, **shared)


def _quality(table: Table, name: str) -> float:
    cell = table[name].get("quality")
    return -1.0 if cell is None or cell.number is None else cell.number


def _check(weights: Mapping[str, float]) -> None:
    for key, weight in weights.items():
        if key not in CRITERIA:
            raise UnknownName("weight", key, CRITERIA)
        if not 0 <= weight < float("inf"):
            raise BadInput(f"the weight of {key} is {weight}, wanted a number from 0")
    if weights and not any(weights.values()):
        raise BadInput("all weights are 0, wanted one above", hint="--weight cost=2 --weight latency=1")


def read_weights(texts: Sequence[str]) -> dict[str, float]:
    """``cost=2`` and so on.

    Raises:
        BadInput: not a name and a number.
    """
    found: dict[str, float] = {}
    for text in texts:
        key, equals, number = text.partition("=")
        try:
            found[key.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise BadInput(f"got --weight {text!r}, wanted a name and a number", hint="--weight cost=2")
    _check(found)
    return found
