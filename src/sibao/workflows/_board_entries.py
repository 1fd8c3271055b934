"""What a leaderboard is made of: one's own finished evaluations and imported results, and paired tests between the former."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sibao.core.errors import BadInput
from sibao.core.types import Score
from sibao.evaluation.board import Entry, made_how
from sibao.evaluation.pairing import compare_pairs, is_corpus, pair_rows
from sibao.evaluation.subject import labelled, subject_of
from sibao.store.published import Published, published
from sibao.store.rows import ResultRow, rows_of
from sibao.store.runs import Run, list_runs, scores_of
from sibao.workflows._export_card import called
from sibao.workflows._export_scores import model_key


def own_entries() -> list[Entry]:
    """Scores of all finished evaluations, the newest for each model, precision, data and way of asking.

    A group's score (``acc/law``) is left out where the run has the total; what is no number is left out.
    """
    found: dict[tuple[str, ...], Entry] = {}
    runs = list_runs("evaluate", status="done")
    names = _names(run.model for run in runs)
    for run in runs:  # newest first
        scores = [score for score in scores_of(run.id) if math.isfinite(score.value)]
        totals = {score.name for score in scores}
        for score in scores:
            base, _, group = score.name.partition("/")
            if group and base in totals:
                continue
            entry = _own(run, score, names[model_key(run.model)])
            r = entry.result
            found.setdefault((model_key(run.model), r.model, r.task, r.dataset, r.metric, made_how(r.signature)), entry)
    return list(found.values())


def _own(run: Run, score: Score, name: str) -> Entry:
    subject = subject_of(run.recipe)
    date = datetime.fromtimestamp(run.finished or run.started, UTC).strftime("%Y-%m-%d")
    result = Published(
        task=subject.name, dataset=subject.described, model=labelled(name, run.recipe),
        metric=score.name, value=score.value, low=score.low, high=score.high, level=score.level, n=score.n, date=date,
        signature=score.signature, source=f"run {run.id}",
    )  # fmt: skip
    return Entry(result, run.id, subject.suite, score.missing, score.chance)


def _names(models: Iterable[str]) -> dict[str, str]:
    """Each model's shown name: without the folders before it, unless two would then be called the same."""
    keys = {model_key(model): model for model in models}
    shown: dict[str, list[str]] = {}
    for key, model in keys.items():
        shown.setdefault(called(model), []).append(key)
    return {
        key: name if len(same) == 1 else "/".join(Path(key).parts[-2:]) for name, same in shown.items() for key in same
    }


def published_entries() -> list[Entry]:
    """Everything that was imported; a figure that two sources give alike, to the paper and the day, stands once."""
    found = {replace(result, source="", imported=0.0): result for result in published()}
    return [Entry(result) for result in found.values()]


class StoredRows:
    """Paired tests from the rows in the store; each run's rows are read once."""

    def __init__(self) -> None:
        self._rows: dict[str, list[ResultRow]] = {}

    def p_value(self, first: Entry, second: Entry) -> float | None:
        """p of the paired test of two entries of one table, or None where they share fewer than two rows."""
        try:
            pairs = pair_rows(self._of(first.run), self._of(second.run))
        except BadInput:  # no rows kept, or rows of files that have changed in between
            return None
        name = first.result.metric
        compared = compare_pairs(pairs, name, corpus=is_corpus(name, first.result.signature), suite=first.suite)
        return None if compared is None else compared.p_value

    def _of(self, run: str) -> list[ResultRow]:
        if run not in self._rows:
            self._rows[run] = list(rows_of(run))
        return self._rows[run]
