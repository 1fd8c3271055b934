"""``sibao evaluate MODEL --suite S``: published rows, asked as published, with everything that was done in the signature."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sibao import __version__
from sibao.core.energy import EnergyMeter
from sibao.core.errors import BadInput, SibaoError
from sibao.core.progress import progress
from sibao.core.types import Score
from sibao.evaluation import places, sandbox
from sibao.evaluation.asking import ask
from sibao.evaluation.budget import Preview
from sibao.evaluation.on_tasks import TaskSuite
from sibao.evaluation.robust import perturb
from sibao.evaluation.sample import Outcome, Sample
from sibao.evaluation.suite import RequestSuite, Rows, Setting, Suite, spread
from sibao.evaluation.suite_index import load_suite
from sibao.evaluation.writing import WritingSuite
from sibao.store import rows as stored_rows
from sibao.store import runs
from sibao.tasks.base import load_task
from sibao.workflows._models import Opened, Opening, open_model
from sibao.workflows._preview import preview_items, preview_samples
from sibao.workflows._shots import fitting
from sibao.workflows._suite_tasks import evaluate_task_suite, task_items, task_setting
from sibao.workflows.compare import compare_runs
from sibao.workflows.evaluate import EvaluationResult, Speed
from sibao.workflows.jobs import has_template

Chat = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class SuiteAsk:
    """How suites are asked.

    ``path``: where the published files are (see ``evaluation.places``). ``shots`` None: as many as published figures use
    and the model holds (``_shots.fitting``), none where the files hold no rows for them. ``chat``: through the model's
    template; auto: for texts that are written,
    where the model has one. ``limit``: so many rows, spread evenly over the file. ``explain``: every convention, and what
    happens at the border of prompt and answer. ``perturb``: names of ``evaluation.robust.PERTURBATIONS``, each of which is
    a run of its own. ``run_code``: generated programs may run, in a sandbox.
    """

    path: str | None = None
    shots: int | None = None
    chat: Chat = "auto"
    limit: int | None = None
    batch: int = 64
    explain: bool = False
    perturb: tuple[str, ...] = ()
    run_code: bool = False
    seed: int = 0


def evaluate_suites(
    model: str, suites: Sequence[str], asked: SuiteAsk | None = None, how: Opening | None = None, *, quiet: bool = False
) -> list[EvaluationResult]:
    """Evaluate a model on suites, one recorded run for each (and one more for each perturbation).

    Everything that can be refused is refused before the model is asked: unknown suites, files that are missing or broken.

    Raises:
        UnknownName: a suite or perturbation. BadInput, DataError: files; shots that there are none of; a limit that cannot be
            kept to. ProviderError: the key is refused, no credit is left, or the provider answers no more (``asking.Patience``).
    """
    asked = asked or SuiteAsk()
    prepared = [prepare(load_suite(name), asked) for name in dict.fromkeys(suites)]
    opened = open_model(model, how)
    try:
        results = []
        for one in prepared:
            for variant in ("", *asked.perturb):
                results.append(_run(opened, model, one, asked, how or Opening(), variant, quiet))
        return results
    finally:
        opened.close()


def preview_suites(
    model: str, suites: Sequence[str], asked: SuiteAsk | None = None, how: Opening | None = None, *, quiet: bool = False
) -> list[tuple[str, Preview]]:
    """What ``evaluate_suites`` would cost: (suite, preview) for each.

    Raises:
        BadInput: a price that nobody knows.
    """
    asked = asked or SuiteAsk()
    prepared = [prepare(load_suite(name), asked) for name in dict.fromkeys(suites)]
    opened = open_model(model, how)
    try:
        found = []
        for one in prepared:
            setting = _setting(one, asked, opened.model)
            if isinstance(one.suite, TaskSuite):
                task, todo = load_task(one.suite.task), task_items(one.suite, one.rows)
                found.append((one.suite.name, preview_items(opened, task, todo)))
                continue
            suite = _varied(one.suite, "", asked.seed)
            with sandbox.permission(asked.run_code):
                found.append((suite.name, preview_samples(opened, suite, suite.samples(one.rows, setting))))
        return found
    finally:
        opened.close()


def against(one: EvaluationResult, other: EvaluationResult) -> EvaluationResult:
    """A result with another model's on the same rows as its baseline, compared as ``sibao compare`` does: p-values by Holm over
    all metrics, verdicts by what each metric says is better."""
    metrics = compare_runs(other.run, one.run).metrics
    found = {m.metric: replace(m.comparison, p_value=m.adjusted, verdict=m.verdict) for m in metrics}
    return replace(one, baseline=other.model, baseline_scores=other.scores, comparison=found)


@dataclass(frozen=True)
class Prepared:
    """A suite with the rows that will be asked."""

    suite: Suite
    rows: Rows
    place: places.Place
    digest: str

    def recipe(self, asked: SuiteAsk, precision: str, identity: str, variant: str = "") -> dict[str, Any]:
        """What a run is made from, as far as it is known before the model is opened: two runs of the same are the same."""
        as_published = asked.shots is None and asked.chat == "auto"
        return {
            "suite": self.suite.name, "data": self.digest, "sample": self.place.sample, "split": self.rows.split,
            "limit": asked.limit, "seed": asked.seed, "perturb": variant, "precision": precision, "identity": identity,
            "as_published": as_published,
        }  # fmt: skip


def prepare(suite: Suite, asked: SuiteAsk) -> Prepared:
    """The rows of a suite that will be asked.

    Raises:
        BadInput, DataError: files that are missing or broken; a suite that cannot be perturbed. UnknownName: a perturbation.
    """
    place = places.find(suite.folder, suite.files, asked.path)
    rows = suite.read(place)
    if not rows.test:
        raise BadInput(f"{suite.name} has no rows in {place.folder}")
    if asked.perturb and not isinstance(suite, RequestSuite):
        raise BadInput(f"{suite.name} cannot be perturbed: it runs through the task", hint="leave out --perturb")
    for variant in asked.perturb:
        _varied(suite, variant, asked.seed)
    if asked.limit is not None and asked.limit < len(rows.test):
        rows = replace(rows, test=spread(rows.test, asked.limit))
    return Prepared(suite, rows, place, place.digest(suite.files))


def _run(
    opened: Opened, name: str, one: Prepared, asked: SuiteAsk, how: Opening, variant: str, quiet: bool
) -> EvaluationResult:
    suite = one.suite
    setting = _setting(one, asked, opened.model)
    recipe = {
        **one.recipe(asked, how.precision, opened.identity, variant), "shots": setting.shots, "chat": setting.chat,
    }  # fmt: skip
    run = runs.create_run("evaluate", name, recipe)
    try:
        if isinstance(suite, TaskSuite):
            result = evaluate_task_suite(opened, run, suite, one.rows, asked.batch, quiet)
        else:
            result = _ask(opened, run, _varied(suite, variant, asked.seed), one.rows, setting, asked, quiet)
    except BaseException as error:
        runs.finish_run(run, "failed", message=error.message if isinstance(error, SibaoError) else repr(error))
        raise
    signed = [replace(s, signature=_signature(one, setting, asked, variant, s)) for s in result.scores]
    result = replace(result, scores=signed, task=f"{suite.name}+{variant}" if variant else suite.name)
    runs.add_scores(run, signed)
    runs.finish_run(run, "done", {"speed": result.speed.__dict__, "explained": result.explained})
    return result


def _varied(suite: Suite, variant: str, seed: int) -> RequestSuite:
    if not isinstance(suite, RequestSuite):
        raise BadInput(f"{suite.name} is asked as a task, whose rows are not changed", hint="leave out --perturb")
    return perturb(suite, variant, seed) if variant else suite


def _setting(one: Prepared, asked: SuiteAsk, model: Any) -> Setting:
    if isinstance(one.suite, TaskSuite):
        return task_setting(one.suite, model, asked.shots, asked.chat, asked.seed)
    shots = asked.shots
    if shots is None:
        shots = one.suite.shots if one.rows.shots else 0
    templated = has_template(model)
    if asked.chat == "on" and not templated:
        raise BadInput(f"{model.name} has no chat template", hint="leave out --chat-template on")
    chat = asked.chat == "on" or (asked.chat == "auto" and templated and isinstance(one.suite, WritingSuite))
    stride = model.context // 2 if asked.explain and hasattr(model, "score_strided") else 0
    setting = Setting(shots, chat, asked.explain, stride, asked.seed)
    if asked.shots is not None or not isinstance(one.suite, RequestSuite):
        return setting
    return fitting(one.suite, one.rows, setting, model)


def _ask(
    opened: Opened, run: str, suite: RequestSuite, rows: Rows, setting: Setting, asked: SuiteAsk, quiet: bool
) -> EvaluationResult:
    begun = time.perf_counter()
    with sandbox.permission(asked.run_code):
        samples = suite.samples(rows, setting)
        before, found, bill = _tokens(opened), opened.found, opened.bill
        with (
            EnergyMeter() as meter,
            progress(len(samples), f"{suite.name} · {opened.model.name}", unit="row", quiet=quiet) as bar,
        ):
            outcomes = ask(opened.model, samples, judge=suite.judge, batch=asked.batch, on_done=lambda _: bar.advance())
    refuse_nothing(outcomes)
    seconds, after = time.perf_counter() - begun, _tokens(opened)
    read, written, kept = after[0] - before[0], after[1] - before[1], opened.found - found
    speed = Speed.of(seconds, read, written, meter.energy, opened.bill.since(bill), kept=kept)
    stored_rows.add_rows(run, [_stored(number, outcome) for number, outcome in enumerate(outcomes)])
    explained = explain(opened, samples) if asked.explain else {}
    return EvaluationResult(
        run, opened.model.name, suite.name, suite.report(outcomes), speed, explained=explained, outcomes=outcomes
    )


def refuse_nothing(outcomes: Sequence[Outcome]) -> None:
    """A run in which nothing at all was answered is a failure, with the first reason.

    Raises:
        BadInput: so.
    """
    if outcomes and all(o.judged is None for o in outcomes):
        raise BadInput(f"no row of {len(outcomes)} was answered: {outcomes[0].missing}")


def explain(opened: Opened, samples: Sequence[Sample]) -> dict[str, Any]:
    """What happens where prompt and answer meet, for a model whose tokenizer is at hand."""
    from sibao.evaluation.boundary import splits

    tokenizer = getattr(opened.bare, "tokenizer", None)
    if tokenizer is None:
        return {"boundary": None}
    differ, seen, shown = splits(lambda text: list(tokenizer.encode(text)), samples)
    cases = [
        {
            **split.__dict__,
            "apart": [tokenizer.decode([i]) for i in split.apart],
            "together": [tokenizer.decode([i]) for i in split.together],
        }
        for split in shown
    ]
    return {"boundary": {"differ": differ, "requests": seen, "cases": cases}}


def _tokens(opened: Opened) -> tuple[int, int]:
    """Tokens (read, written) so far: the engine's own counts where it runs here, else what the provider bills."""
    counts = getattr(getattr(opened.bare, "engine", None), "counts", None)
    if counts is not None:
        return counts.read, counts.written
    usage = opened.meter.usage if opened.meter is not None else None
    return (usage.prompt_tokens, usage.completion_tokens) if usage is not None else (0, 0)


def _stored(number: int, outcome: Outcome) -> stored_rows.ResultRow:
    judged, cluster = outcome.judged, outcome.sample.cluster
    if judged is None:
        return stored_rows.ResultRow(number, None, [], {}, outcome.missing, cluster)
    return stored_rows.ResultRow(number, judged.prediction, list(judged.references), dict(judged.values), "", cluster)


def _prompt(setting: Setting) -> str:
    return f"task({setting.form})" if setting.form else "chat" if setting.chat else "raw"


def _signature(one: Prepared, setting: Setting, asked: SuiteAsk, variant: str, score: Score) -> str:
    """``suite:…|data:…|split:…|shots:…|prompt:…|…``: all that must agree for two figures to be comparable."""
    suite = one.suite
    parts = [f"suite:{suite.name}.v{suite.version}", f"data:{one.digest}" + ("(sample)" if one.place.sample else "")]
    fewer = f"(of {suite.shots}, context {setting.fitted})" if setting.fitted else ""
    parts += [f"split:{one.rows.split}", f"shots:{setting.shots}{fewer}", f"prompt:{_prompt(setting)}"]
    parts += [f"limit:{asked.limit}spread"] if asked.limit is not None else []
    parts += [f"perturb:{variant}.seed{asked.seed}"] if variant else []
    own = [score.signature] if score.signature else []
    known = "|sibao:" in score.signature
    return "|".join([*parts, *own] + ([] if known else [f"sibao:{__version__}"]))
