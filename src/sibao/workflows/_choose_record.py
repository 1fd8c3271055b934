"""What the store keeps of a choice: the scores of the race, each row's values, and the whole of its result."""

from __future__ import annotations

import math
from typing import Any

from sibao.choosing.race_result import RaceResult
from sibao.core.types import Score
from sibao.store import rows as stored_rows
from sibao.store import runs
from sibao.workflows._choose_entrant import Work


def scores_of_race(result: RaceResult, work: Work, level: float) -> list[Score]:
    """The mean of each lane with its always-valid interval."""
    plan, task = result.plan, work.task
    how = f"task:{task.name}.v{task.version}|metric:{work.metric}|race:delta={plan.delta}|seed={plan.seed}|interval:always-valid"
    scores = []
    for lane in result.lanes:
        low, high = lane.bounds(level)
        value = math.nan if lane.mean is None else lane.mean
        scores.append(
            Score(f"{work.metric}/{lane.name}", value, low, high, level, len(lane.values), lane.missing, None, how)
        )
    return scores


def record(run: str, result: RaceResult | None, work: Work, choice: dict[str, Any], level: float) -> None:
    """Keep all of it and close the run."""
    if result is not None:
        runs.add_scores(run, scores_of_race(result, work, level))
        stored_rows.add_rows(run, _rows(result, work))
    runs.finish_run(run, "done", {"choice": choice})


def _rows(result: RaceResult, work: Work) -> list[stored_rows.ResultRow]:
    """Each row's value by model; the answers themselves are kept by content (``evaluation.cached``)."""
    found = []
    for place, row in enumerate(result.order):
        item = work.items[row]
        values = {lane.name: lane.by_row[place] for lane in result.lanes if place < lane.asked}
        found.append(stored_rows.ResultRow(item.row, None, item.references, values))
    return found
