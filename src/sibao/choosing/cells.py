"""What is known of a candidate: one cell for each fact or figure, with where it comes from and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["measured", "estimated", "stated"]
Value = float | str | bool | tuple[str, ...] | None


@dataclass(frozen=True)
class Cell:
    """One fact. ``value`` None: nobody knows. ``low`` and ``high`` bound it where that is known.

    ``source`` is a page, a file, "this race", or how it was worked out; ``date`` (ISO) when; ``note`` warns the reader.
    """

    value: Value
    unit: str = ""
    source: str = ""
    date: str = ""
    kind: Kind = "stated"
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def number(self) -> float | None:
        """The value where it is a number."""
        value = self.value
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


Cells = Mapping[str, Cell]
"""A candidate's cells by key: see ``CRITERIA`` in ``pareto`` for the figures, ``limits`` for the facts."""
UNKNOWN = Cell(None, source="nobody says")


def cell_of(cells: Cells, key: str) -> Cell:
    """A cell, or the unknown one."""
    return cells.get(key, UNKNOWN)
