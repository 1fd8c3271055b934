"""What reading other people's tables gives: results, and everything that could not be read with where it stood.

One file each for the forms: ``exchange_pwc`` (Papers with Code), ``exchange_index`` (``model-index`` of model cards),
``exchange_eval_results`` (``.eval_results``). None of them knows a store; all of them yield ``store.published.Published``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sibao.evaluation.figures import NoFigure, parse
from sibao.store.published import Published

Kind = Literal["absent", "unreadable", "malformed"]
ROUND = 12
"""Significant digits of a written number: what a figure is worth, without the dust of its last bits."""


@dataclass(frozen=True)
class Problem:
    """One cell or row that gave no result. ``where`` is the way to it, ``text`` what stood there; ``absent`` is a dash or an
    empty cell (nothing is claimed), ``unreadable`` a text that is not one number, ``malformed`` a part of another form."""

    kind: Kind
    where: str
    text: str = ""


@dataclass
class Found:
    """What a file gave."""

    results: list[Published] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, base: Published, raw: Any, where: str) -> None:
        """One cell: ``base`` with the figure that ``raw`` holds, or a problem."""
        figure = parse(raw)
        if isinstance(figure, NoFigure):
            self.problems.append(Problem(figure.kind, where, figure.text))
            return
        low, high, level = base.low, base.high, base.level
        if figure.spread is not None:
            low, high, level = figure.value - figure.spread, figure.value + figure.spread, None
        text = raw.strip() if isinstance(raw, str) else repr(raw)
        shown = text if text != number_text(figure.value) and (isinstance(raw, str) or _dusty(figure.value)) else ""
        note = "; ".join(part for part in (figure.note, base.note) if part)
        self.results.append(
            replace(
                base, value=figure.value, unit=figure.unit or base.unit, shown=shown or base.shown, low=low, high=high,
                level=level, note=note,
            )
        )  # fmt: skip

    def malformed(self, where: str, wanted: str, got: Any) -> None:
        """A part that is of another form than the format says."""
        self.problems.append(Problem("malformed", f"{where}: wanted {wanted}", repr(got)[:120]))


def number_text(value: float) -> str:
    """A number as it is written into a table: ``ROUND`` significant digits, no exponent where people write none."""
    rounded = float(f"{value:.{ROUND}g}")
    return str(int(rounded)) if rounded.is_integer() and abs(rounded) < 1e15 else repr(rounded)


def _dusty(value: float) -> bool:
    """Whether a number has more digits than are written."""
    return float(number_text(value)) != value


def written(result: Published) -> str:
    """A result as one cell: what was published, else number and unit."""
    return result.shown or number_text(result.value) + result.unit


def string(value: Any) -> str:
    """A text field that may be missing, null or of another type; on one line."""
    return " ".join(value.split()) if isinstance(value, str) else ""


EXTRAS: dict[str, type] = {"low": float, "high": float, "level": float, "n": int, "signature": str}
"""What the formats have no field for, and what a figure is worth little without; other readers pass over it."""


def extras(result: Published) -> dict[str, Any]:
    """The ``EXTRAS`` that a result has."""
    values = {name: getattr(result, name) for name in EXTRAS}
    return {name: value for name, value in values.items() if value not in (None, "")}


def with_extras(result: Published, values: Any) -> Published:
    """A result with the ``EXTRAS`` that were written beside it; a value of another type is left out."""
    if not isinstance(values, dict):
        return result
    kept = {name: _typed(values.get(name), kind) for name, kind in EXTRAS.items()}
    return replace(result, **{name: value for name, value in kept.items() if value is not None})


def _typed(value: Any, kind: type) -> Any:
    if kind is str:
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return kind(value) if kind is float or isinstance(value, int) else None
