"""What changed between two runs on the same rows: by metric, with a verdict that allows for their number, and row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, get_args

from sibao.core.types import Score
from sibao.evaluation.direction import Direction, direction_of
from sibao.evaluation.multiple import holm
from sibao.evaluation.pairing import Pair, compare_pairs, is_corpus, metrics_of
from sibao.evaluation.statistics import Comparison, Verdict, sample_size
from sibao.metrics._intervals import two_sided_z

POWER = 0.8
State = Literal["lost", "gained", "both wrong", "both right", "same", "missing"]
STATES: tuple[State, ...] = get_args(State)
"""From the first run to the second; ``gained`` and ``lost`` of graded rows mean any step up or down."""


@dataclass(frozen=True)
class Advice:
    """How many rows would do. ``needed``: to see a difference as large as this one in 80 of 100 tries (None: there is no
    difference to see); ``detectable``: the smallest difference that the rows at hand would show as often."""

    needed: int | None
    detectable: float


@dataclass(frozen=True)
class MetricChange:
    """One metric in both runs. ``comparison`` is second minus first; ``adjusted`` is its p-value by Holm over all metrics of
    the comparison, and ``verdict`` follows it. ``more`` and ``less``: of a metric that neither should rise nor fall."""

    metric: str
    direction: Direction
    first: Score | None
    second: Score | None
    comparison: Comparison
    adjusted: float
    verdict: Verdict
    advice: Advice | None

    def at_chance(self, which: Literal["first", "second"]) -> bool:
        """Whether guessing would do as well: the run's interval holds what guessing gives."""
        score = self.first if which == "first" else self.second
        if score is None or score.chance is None or score.low is None or score.high is None:
            return False
        return score.low <= score.chance <= score.high


@dataclass(frozen=True)
class RowChange:
    """A row in both runs, with its values of the leading metric (None where it has none)."""

    pair: Pair
    state: State
    first: float | None
    second: float | None


def metric_changes(
    pairs: Sequence[Pair],
    first: Mapping[str, Score],
    second: Mapping[str, Score],
    *,
    suite: str = "",
    level: float = 0.95,
) -> list[MetricChange]:
    """Every metric that both runs have for at least two rows, each tested, all p-values adjusted together.

    Args:
        first, second: the runs' own scores by name, for values, intervals and chance.
        suite: the suite they are of, which knows what is better.
    """
    found: dict[str, Comparison] = {}
    for name in metrics_of(pairs):
        signed = second.get(name) or first.get(name)
        corpus = signed is not None and is_corpus(name, signed.signature)
        compared = compare_pairs(pairs, name, corpus=corpus, suite=suite, level=level)
        if compared is not None:
            found[name] = compared
    adjusted = holm([c.p_value for c in found.values()])
    return [
        _change(name, c, p, first.get(name), second.get(name), direction_of(name, suite))
        for (name, c), p in zip(found.items(), adjusted, strict=True)
    ]


def _change(
    name: str, compared: Comparison, adjusted: float, first: Score | None, second: Score | None, direction: Direction
) -> MetricChange:
    verdict = _verdict(compared, adjusted, direction)
    advice = advise(compared) if verdict == "not distinguishable" else None
    return MetricChange(name, direction, first, second, compared, adjusted, verdict, advice)


def _verdict(compared: Comparison, adjusted: float, direction: Direction) -> Verdict:
    if adjusted >= 1 - compared.level or compared.difference == 0:
        return "not distinguishable"
    up = compared.difference > 0
    if direction.which == "neither":
        return "more" if up else "less"
    return "better" if up == (direction.which == "higher") else "worse"


def advise(compared: Comparison, power: float = POWER) -> Advice:
    """Rows for a difference that was not to be told from none; the spread is that of the paired rows at hand, read from the
    difference's interval (``statistics.sample_size``, Miller 2024)."""
    z = two_sided_z(compared.level)
    error = (compared.high - compared.low) / 2 / z
    detectable = (z + NormalDist().inv_cdf(power)) * error
    if compared.difference == 0 or error == 0:
        return Advice(None, detectable)
    needed = sample_size(error**2 * compared.n, compared.difference, power, compared.level)
    return Advice(max(needed, compared.n + 1), detectable)


def leading(names: Sequence[str], headline: str = "") -> str:
    """The metric that rows are sorted by: the suite's headline where it is there (``chrf`` of ``chrf/en-zh``), else the
    first."""
    bases = [name.partition("/")[0] for name in names]
    return headline if headline in bases else bases[0] if bases else ""


def row_changes(pairs: Sequence[Pair], main: str, suite: str = "") -> list[RowChange]:
    """Every row with its state by the metric ``main``, in any group of it."""
    values = [(_value(p.first.metrics, main), _value(p.second.metrics, main)) for p in pairs]
    binary = all(v in (0.0, 1.0) for both in values for v in both if v is not None)
    rising = direction_of(main, suite).which != "lower"
    return [
        RowChange(pair, _state(pair, a, b, binary, rising), a, b) for pair, (a, b) in zip(pairs, values, strict=True)
    ]


def counts(changes: Sequence[RowChange]) -> dict[State, int]:
    """Rows in each state that occurs, in the order of ``STATES``."""
    found = {state: sum(change.state == state for change in changes) for state in STATES}
    return {state: number for state, number in found.items() if number}


def _value(metrics: Mapping[str, float | None], base: str) -> float | None:
    return next((value for name, value in metrics.items() if name.partition("/")[0] == base), None)


def _state(pair: Pair, a: float | None, b: float | None, binary: bool, rising: bool) -> State:
    if not pair.answered or a is None or b is None:
        return "missing"
    if math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12):
        return ("both right" if (a == 1.0) == rising else "both wrong") if binary else "same"
    return "gained" if (b > a) == rising else "lost"
