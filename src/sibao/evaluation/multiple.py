"""Many tests at once: p-values adjusted so that a table of comparisons does not find differences by looking often.

Holm's step-down keeps the chance of any false alarm among all tests at its level, whatever their dependence (Holm 1979);
it is what verdicts follow. Benjamini and Hochberg's step-up keeps the expected share of false alarms among the findings
(Benjamini and Hochberg 1995); it finds more, and is for looking around.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sibao.core.errors import BadInput
from sibao.evaluation.statistics import Comparison


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: max over k <= i of (m - k + 1) p_(k), at most 1.

    Raises:
        BadInput: a value outside 0..1.
    """
    _check(p_values)
    adjusted, running = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p-values, in the order given: min over k >= i of m p_(k) / k, at most 1.

    Raises:
        BadInput: a value outside 0..1.
    """
    _check(p_values)
    adjusted, running = [0.0] * len(p_values), 1.0
    order = sorted(range(len(p_values)), key=lambda i: p_values[i], reverse=True)
    for place, index in enumerate(order):
        running = min(running, p_values[index] * len(p_values) / (len(p_values) - place))
        adjusted[index] = running
    return adjusted


def together(compared: Mapping[str, Comparison]) -> dict[str, Comparison]:
    """Comparisons of one table, each with Holm's p-value in place of its own and the verdict that follows from it."""
    adjusted = holm([c.p_value for c in compared.values()])
    return {
        name: replace(c, p_value=p, verdict=c.verdict if p < 1 - c.level else "not distinguishable")
        for (name, c), p in zip(compared.items(), adjusted, strict=True)
    }


def _check(p_values: Sequence[float]) -> None:
    for index, value in enumerate(p_values):
        if not 0 <= value <= 1 or math.isnan(value):
            raise BadInput(f"got p-value {value} at place {index}, wanted a number from 0 to 1")
