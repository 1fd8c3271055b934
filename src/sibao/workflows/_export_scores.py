"""Scores of a model from the store, as the entries of a model card's ``model-index``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sibao.core.types import Score
from sibao.evaluation.exchange_index import entry
from sibao.evaluation.subject import subject_of
from sibao.store.published import Published
from sibao.store.runs import Run, list_runs, scores_of


@dataclass(frozen=True)
class Measured:
    """One score with what it was measured on, and the run that says so."""

    run: str
    date: str
    task: str
    dataset: str
    score: Score

    def entry(self) -> Any:
        """The score as ``huggingface_hub`` has it."""
        s = self.score
        return entry(
            Published(
                task=self.task, dataset=self.dataset, model="", metric=s.name, value=s.value, low=s.low,
                high=s.high, level=s.level, n=s.n, date=self.date, signature=s.signature,
            )
        )  # fmt: skip

    def row(self) -> str:
        """A line of the card's table: with interval, chance, rows and signature."""
        s = self.score
        interval = "none" if s.low is None or s.high is None else f"{s.low:.4g} to {s.high:.4g} ({s.level:.0%})"
        chance = "unknown" if s.chance is None else f"{s.chance:.4g}"
        rows = f"{s.n}" + (f" (+{s.missing} missing)" if s.missing else "")
        made = f"`{s.signature}`".replace("|", "\\|")
        cells = (self.task, self.dataset, s.name, f"{s.value:.4g}", interval, chance, rows, f"{self.run}, {self.date}")
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} | {made} |"


HEADER = (
    "| task | data | metric | value | interval | chance | rows | run | how it was made |\n"
    "|---|---|---|--:|---|--:|--:|---|---|"
)


def scores_of_model(names: Sequence[str]) -> list[Measured]:
    """Scores of all finished evaluations of a model, whichever of ``names`` it was called by.

    Of evaluations on the same data the newest counts; a score that is not a number is left out.
    """
    wanted = {model_key(name) for name in names}
    found: dict[tuple[str, str, str, str], Measured] = {}
    for run in reversed(list_runs("evaluate", status="done")):
        if model_key(run.model) not in wanted or run.recipe.get("precision", "auto") != "auto":
            continue  # in whole numbers, say, it is not quite the model that is exported
        for score in scores_of(run.id):
            if math.isfinite(score.value):
                one = _measured(run, score)
                # the part of the signature that the program's version does not change
                how = score.signature.rpartition("|sibao:")[0]
                found[one.task, one.dataset, score.name, how] = one
    return sorted(found.values(), key=lambda m: (m.task, m.dataset, m.score.name))


def _measured(run: Run, score: Score) -> Measured:
    subject = subject_of(run.recipe)
    date = datetime.fromtimestamp(run.finished or run.started, UTC).strftime("%Y-%m-%d")
    return Measured(run.id, date, subject.name, subject.described, score)


def model_key(name: str) -> str:
    """A model's name with its folders written out, so that two ways to call one folder are the same."""
    whole = Path(name).expanduser()
    parts = [name] if whole.exists() else name.split("+")
    paths = [Path(part).expanduser() for part in parts]
    return "+".join(str(path.resolve()) if path.exists() else part for path, part in zip(paths, parts, strict=True))
