"""What is known of models without running anything: a scorecard for each model and precision that the store has results of."""

from __future__ import annotations

from dataclasses import dataclass, field

from sibao.core.errors import SibaoError
from sibao.evaluation.scorecard import SECTIONS, About, Cell, Scorecard, Section, cells_of
from sibao.evaluation.subject import Subject, subject_of
from sibao.evaluation.suite_index import load_suite
from sibao.store.runs import Run, list_runs, scores_of
from sibao.workflows._model_facts import facts_of
from sibao.workflows.scorecard import about_suite, day, facts_cells

SHIPPED = "mini"
"""The model that ships in the package: its facts are known before anything was measured."""
_OF_TASK: dict[str, Section] = {
    "translate": "translation", "answer": "qa", "summarize": "summarization", "perplexity": "language",
}  # fmt: skip


@dataclass
class _Known:
    """The newest finished run on each set of rows, of one model in one precision."""

    model: str
    precision: str
    runs: dict[str, Run] = field(default_factory=dict)


def known_scorecards() -> list[Scorecard]:
    """All of them, the shipped model's first, then the most recently measured."""
    found: dict[tuple[str, str], _Known] = {(SHIPPED, "auto"): _Known(SHIPPED, "auto")}
    for run in list_runs("evaluate", status="done"):  # newest first
        if run.recipe.get("perturb"):
            continue
        precision = str(run.recipe.get("precision") or "auto")
        known = found.setdefault((run.model, precision), _Known(run.model, precision))
        known.runs.setdefault(_called(subject_of(run.recipe)), run)
    return [_card(known) for known in found.values()]


def _called(subject: Subject) -> str:
    """A suite by its name (the newest run of it stands for all), a task with its files."""
    return subject.suite or f"{subject.name} {subject.dataset}"


def _card(known: _Known) -> Scorecard:
    cells = _facts(known.model)
    for called, run in known.runs.items():
        scores = scores_of(run.id)
        about = _about(subject_of(run.recipe), scores[0].name.partition("/")[0] if scores else "")
        cells += cells_of(called, scores, about, run.id, day(run.finished or run.started))
    order = list(SECTIONS)
    cells.sort(key=lambda cell: order.index(cell.section))
    newest = max((run.finished or run.started for run in known.runs.values()), default=None)
    return Scorecard(known.model, known.precision, "", "" if newest is None else day(newest), tuple(cells))


def _about(subject: Subject, headline: str) -> About:
    """What the suite says; of one's own files, what task and first metric say."""
    if subject.suite:
        try:
            return about_suite(load_suite(subject.suite))
        except SibaoError:  # a suite of another version, or a file that is gone
            pass
    return About(_OF_TASK.get(subject.name, "accuracy"), headline, subject.suite)


def _facts(model: str) -> list[Cell]:
    """Facts from the model's folder or the catalogue; none for a model that is not here any more."""
    try:
        return facts_cells(facts_of(model, None))
    except (SibaoError, OSError):
        return []
