"""What came of a choice, as plain data; ``_choose_show``, ``_choose_html`` and ``_choose_plot`` show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sibao.choosing import advice as advising
from sibao.choosing.cells import Cells
from sibao.choosing.limits import Exclusion
from sibao.choosing.need import Need
from sibao.choosing.pick import Pick
from sibao.choosing.race_result import RaceResult
from sibao.core.types import Language
from sibao.workflows._choose_ask import LEVEL


@dataclass(frozen=True)
class Choice:
    """What came of it. ``table`` holds the cells of those that kept the limits, ``others`` of those that did not."""

    need: Need
    metric: str
    table: dict[str, Cells]
    others: dict[str, Cells]
    excluded: list[Exclusion]
    pick: Pick
    race: RaceResult | None = None
    run: str = ""
    advice: list[advising.Section] = field(default_factory=list)
    language: Language = "en"

    def to_json(self) -> dict[str, Any]:
        """The object of the JSON contract."""
        both = self.table | self.others
        return {
            "run": self.run or None, "kind": "choose", "status": "done", "task": self.need.task, "metric": self.metric,
            "need": self.need.to_json(), "pick": self.pick.to_json(),
            "candidates": {name: {key: c.to_json() for key, c in cells.items()} for name, cells in both.items()},
            "excluded": [one.to_json() for one in self.excluded],
            "race": None if self.race is None else self.race.to_json(LEVEL), "advice": advising.to_json(self.advice),
        }  # fmt: skip
