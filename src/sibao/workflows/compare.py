"""``sibao compare RUN RUN``: two recorded evaluations on the same rows; what changed, how sure that is, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sibao.core.errors import BadInput, UnknownName
from sibao.evaluation.changes import (
    STATES,
    MetricChange,
    RowChange,
    State,
    counts,
    leading,
    metric_changes,
    row_changes,
)
from sibao.evaluation.pairing import pair_rows
from sibao.evaluation.subject import Subject, asked_otherwise, other_rows, subject_of
from sibao.evaluation.suite_index import load_suite
from sibao.store.rows import rows_of
from sibao.store.runs import Run, get_run, scores_of
from sibao.workflows._compare_questions import questions
from sibao.workflows._compare_words import Words, notes_of

MOVES_TEXTS = ("perturb", "seed")
"""Askings that may change what is wanted of a row (the letter of the right option)."""


@dataclass(frozen=True)
class Compared:
    """Two runs, second against first. ``main`` is the metric that the rows' states go by; ``questions`` maps a row to what was
    asked, as far as the data are at hand; ``notes`` say what else differs."""

    first: Run
    second: Run
    subject: Subject
    metrics: list[MetricChange]
    rows: list[RowChange]
    main: str
    questions: dict[int, str]
    notes: list[Words]

    @property
    def counts(self) -> dict[State, int]:
        """Rows in each state."""
        return counts(self.rows)

    def to_json(self) -> dict[str, Any]:
        """The compare object of the JSON contract: every metric and every row."""
        return {
            "first": _run(self.first), "second": _run(self.second), "suite": self.subject.suite,
            "task": self.subject.task, "data": self.subject.described, "notes": [words["en"] for words in self.notes],
            "metrics": [_metric(one) for one in self.metrics], "leading": self.main,
            "counts": {state: self.counts.get(state, 0) for state in STATES},
            "rows": [self._row(change) for change in self.rows],
        }  # fmt: skip

    def _row(self, change: RowChange) -> dict[str, Any]:
        a, b = change.pair.first, change.pair.second
        return {
            "row": a.row, "state": change.state, "question": self.questions.get(a.row),
            "references": list(a.references or b.references), "first": a.prediction, "second": b.prediction,
            "first_value": change.first, "second_value": change.second,
            "first_missing": a.missing, "second_missing": b.missing,
        }  # fmt: skip


def compare_runs(first: str, second: str, *, path: str | None = None) -> Compared:
    """Compare two recorded evaluations.

    Args:
        first, second: ids of runs, or their beginnings; the second is held against the first.
        path: where the suite's files are, for the texts of the questions (else the usual places are looked in).

    Raises:
        UnknownName: no such run. BadInput: a run that is no finished evaluation, kept no rows, or was on other rows.
    """
    a, b = (_finished(get_run(run)) for run in (first, second))
    if a.id == b.id:
        raise BadInput(f"got run {a.id} twice, wanted two runs", hint="sibao runs --json lists them")
    subject, other = subject_of(a.recipe), subject_of(b.recipe)
    reason = other_rows(subject, other)
    if reason:
        raise BadInput(
            f"runs {a.id} and {b.id} were not on the same rows: {reason}",
            hint="a paired test needs the same rows for both; evaluate one model again with the other run's options",
        )
    moved = any(subject.asked.get(key) != other.asked.get(key) for key in MOVES_TEXTS)
    pairs = pair_rows(_rows(a), _rows(b), same_texts=not moved)
    scores = [{s.name: s for s in scores_of(run.id)} for run in (a, b)]
    metrics = metric_changes(pairs, scores[0], scores[1], suite=subject.suite)
    if not metrics:
        raise BadInput(f"runs {a.id} and {b.id} have no metric in common for two rows or more")
    main = leading([one.metric for one in metrics], _headline(subject.suite))
    rows = row_changes(pairs, main, subject.suite)
    clustered = any("interval:clustered" in score.signature for found in scores for score in found.values())
    untested = clustered and not any(pair.first.cluster for pair in pairs)
    notes = notes_of(a, b, asked_otherwise(subject, other), rows, untested)
    return Compared(a, b, subject, metrics, rows, main, questions(a.recipe, pairs, path), notes)


def _finished(run: Run) -> Run:
    if run.kind != "evaluate" or run.status != "done":
        raise BadInput(
            f"run {run.id} is {run.kind}, {run.status}; wanted a finished evaluation",
            hint="sibao runs list --kind evaluate shows them",
        )
    return run


def _rows(run: Run) -> list[Any]:
    found = list(rows_of(run.id))
    if not found:
        raise BadInput(f"run {run.id} kept no rows, so that it cannot be paired", hint="evaluate it again with --suite")
    return found


def _headline(suite: str) -> str:
    if not suite:
        return ""
    try:
        return load_suite(suite).headline
    except UnknownName:  # of another release, or a task file that is gone
        return ""


def _run(run: Run) -> dict[str, Any]:
    return {"run": run.id, "model": run.model, "started": run.started, "recipe": run.recipe}


def _metric(one: MetricChange) -> dict[str, Any]:
    advice = one.advice
    return {
        "metric": one.metric, "better": one.direction.which, "ideal": one.direction.ideal,
        "first": one.first.to_json() if one.first else None, "second": one.second.to_json() if one.second else None,
        **one.comparison.__dict__, "adjusted_p_value": one.adjusted, "verdict": one.verdict,
        "first_at_chance": one.at_chance("first"), "second_at_chance": one.at_chance("second"),
        "rows_needed": advice.needed if advice else None, "detectable": advice.detectable if advice else None,
    }  # fmt: skip
