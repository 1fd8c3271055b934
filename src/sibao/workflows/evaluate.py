"""``sibao evaluate MODEL --task T --data FILE``: scores with intervals, a paired comparison, speed, memory and energy."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sibao.core.energy import Energy, EnergyMeter
from sibao.core.errors import BadInput, DataError, SibaoError
from sibao.core.progress import progress
from sibao.core.system import peak_memory_bytes
from sibao.core.types import GenerateOptions, Model, Score
from sibao.evaluation import harness, likelihood
from sibao.evaluation.sample import Outcome
from sibao.evaluation.statistics import Comparison
from sibao.store import rows as stored_rows
from sibao.store import runs
from sibao.tasks.base import load_task
from sibao.text.media import beside
from sibao.text.readers import expand, read_numbered
from sibao.text.rows import text_of
from sibao.workflows._judging import Bench, JudgeAsk, compare_verdicts, open_bench
from sibao.workflows._models import Opening, open_model

if TYPE_CHECKING:
    from rich.console import RenderableType

PERPLEXITY = "perplexity"
"""In place of a task: how well the model predicts the texts themselves."""


@dataclass(frozen=True)
class Speed:
    """What the evaluation took. Tokens per second count prompt and answer apart from each other's time."""

    seconds: float
    prompt_tokens: int
    completion_tokens: int
    tokens_per_second: float
    peak_memory_bytes: int
    joules: float
    energy: str

    @classmethod
    def of(cls, seconds: float, read: int, written: int, energy: Energy, *, counted: int | None = None) -> Speed:
        """From tokens read and written; ``counted`` of them (the written ones) are those of the rate."""
        rate = (written if counted is None else counted) / seconds if seconds else math.nan
        return cls(seconds, read, written, rate, peak_memory_bytes(), energy.joules, energy.kind)


@dataclass(frozen=True)
class EvaluationResult:
    """A finished evaluation. ``comparison`` is of ``model`` against ``baseline`` on the same rows; ``answers`` are those of a
    task, ``outcomes`` those of a suite; ``explained`` is what ``--explain-score`` found."""

    run: str
    model: str
    task: str
    scores: list[Score]
    speed: Speed
    answers: list[harness.Answered] = field(repr=False, default_factory=list)
    baseline: str = ""
    baseline_scores: list[Score] = field(default_factory=list)
    comparison: dict[str, Comparison] = field(default_factory=dict)
    explained: dict[str, Any] = field(default_factory=dict)
    outcomes: list[Outcome] = field(repr=False, default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The run object of the JSON contract."""
        return {
            "run": self.run, "kind": "evaluate", "status": "done", "model": self.model, "task": self.task,
            "scores": [s.to_json() for s in self.scores], "speed": self.speed.__dict__, "baseline": self.baseline,
            "baseline_scores": [s.to_json() for s in self.baseline_scores],
            "comparison": {k: c.__dict__ for k, c in self.comparison.items()}, "explained": self.explained,
        }  # fmt: skip

    def render(self) -> RenderableType:
        """Tables for people: the scores, the comparison with the baseline, and what it took."""
        from rich.console import Group
        from rich.text import Text

        from sibao.workflows._tables import comparison_table, score_table

        parts: list[RenderableType] = [score_table(f"{self.model} · {self.task} · run {self.run}", self.scores)]
        if self.explained:
            from sibao.workflows._suite_show import explanation

            parts += explanation(self.scores, self.explained)
        if self.baseline:
            parts.append(score_table(f"baseline {self.baseline}", self.baseline_scores))
            parts.append(comparison_table(f"{self.model} against {self.baseline}, same rows", self.comparison))
        speed = self.speed
        memory, energy = speed.peak_memory_bytes / 2**20, speed.joules / 3600
        took = f"{speed.seconds:.1f} s, {speed.tokens_per_second:.0f} tokens/s, peak memory {memory:.0f} MiB"
        return Group(*parts, Text(f"{took}, {energy:.2f} Wh ({speed.energy})"))


def evaluate(
    model: str,
    *,
    task: str,
    data: list[str],
    to: str | None = None,
    limit: int | None = None,
    max_tokens: int | None = None,
    batch: int = 16,
    compare: str | None = None,
    precision: str = "auto",
    how: Opening | None = None,
    judge: JudgeAsk | None = None,
    quiet: bool = False,
) -> EvaluationResult:
    """Evaluate a model on files of rows, record the run, and compare with a second model on the same rows.

    Args:
        task: a task, or ``perplexity`` for how well the texts are predicted.
        to: for translate, the target language.
        limit: at most so many rows, the first ones.
        precision: of the model's weights in memory; the other model is read as it is.
        how: price, limit of cost and workers of each model (nothing is kept: the rows are asked anew).
        judge: another model that reads each answer by a rubric; with ``compare``, both models' answers in both orders.

    Raises:
        DataError: rows the task cannot read. BadInput: no rows, or a model that cannot do it.
    """
    rows = read_data(data, limit)
    bench = None if judge is None else open_bench(judge, task, how)
    how = replace(how or Opening(), cache=False, precision="auto")
    opened = open_model(model, replace(how, precision=precision))
    asked: dict[str, Any] = {
        "task": task,
        "data": data,
        "to": to,
        "limit": limit,
        "compare": compare,
        "precision": precision,
    }
    asked |= {} if judge is None else {"judge": judge.__dict__}
    run = runs.create_run("evaluate", model, asked)
    try:
        if task == PERPLEXITY:
            result = _perplexity(run, opened.model, [text_of(row, file=f, line=n) for f, n, row in rows], quiet)
        else:
            result = _task(run, opened.model, task, rows, to, max_tokens, batch, compare, how, bench, quiet)
    except BaseException as error:
        runs.finish_run(run, "failed", message=error.message if isinstance(error, SibaoError) else repr(error))
        raise
    finally:
        opened.close()
        if bench is not None:
            bench.close()
    runs.add_scores(run, result.scores)
    runs.finish_run(
        run, "done", {k: v for k, v in result.to_json().items() if k in ("speed", "comparison", "baseline")}
    )
    return result


def read_data(data: Sequence[str], limit: int | None) -> list[tuple[str, int, dict[str, Any]]]:
    """(file, line, row) of data files in order, at most ``limit``.

    Raises:
        DataError: a row that cannot be read. BadInput: no rows.
    """
    found: list[tuple[str, int, dict[str, Any]]] = []
    for path in expand(list(data)):
        for line, row in read_numbered(path):
            found.append((str(path), line, beside(row, path)))
            if limit is not None and len(found) >= limit:
                return found
    if not found:
        raise BadInput(f"no rows in {', '.join(data)}")
    return found


def _items(task: Any, rows: list[tuple[str, int, dict[str, Any]]], to: str | None) -> list[harness.Item]:
    options = {"to": to} if to else {}
    out = []
    for number, (file, line, row) in enumerate(rows):
        try:
            out += harness.items(task, [(number, row)], **options)
        except DataError as error:
            raise DataError(error.message, file=file, line=line, field=error.field, hint=error.hint) from None
    return out


def measured(
    name: str, loaded: Model, todo: list[harness.Item], max_tokens: int | None, batch: int, quiet: bool, title: str
) -> tuple[list[harness.Answered], Speed]:
    """Answers of a model with what they took."""
    begun = time.perf_counter()
    options = None if max_tokens is None else GenerateOptions(max_tokens=max_tokens)
    with EnergyMeter() as meter, progress(len(todo), title, unit="row", quiet=quiet) as bar:
        answers = harness.answer(
            load_task(name), loaded, todo, options, batch=batch, on_done=lambda _: bar.advance(), piece_tokens=None
        )
    seconds = time.perf_counter() - begun
    usage = [a.result.usage for a in answers if a.result is not None]
    written = sum(u.completion_tokens for u in usage)
    return answers, Speed.of(seconds, sum(u.prompt_tokens for u in usage), written, meter.energy)


def _task(
    run: str,
    loaded: Model,
    name: str,
    rows: list[tuple[str, int, dict[str, Any]]],
    to: str | None,
    max_tokens: int | None,
    batch: int,
    baseline: str | None,
    how: Opening,
    bench: Bench | None,
    quiet: bool,
) -> EvaluationResult:
    task = load_task(name)
    todo = _items(task, rows, to)
    answers, speed = measured(name, loaded, todo, max_tokens, batch, quiet, f"evaluate {loaded.name}")
    groups = harness.score(task, answers) + ([] if bench is None else [bench.verdicts(answers)])
    stored_rows.add_rows(run, stored(answers, groups))
    scores = [s for g in groups for s in g.scores]
    if baseline is None:
        return EvaluationResult(run, loaded.name, name, scores, speed, answers)
    against = open_model(baseline, how)
    try:
        second, _ = measured(name, against.model, todo, max_tokens, batch, quiet, f"evaluate {baseline}")
    finally:
        against.close()
    other = [s for g in harness.score(task, second) for s in g.scores]
    compared = harness.compare_answers(task, answers, second)
    if bench is not None:
        judged = bench.verdicts(second)
        other, compared = other + judged.scores, compared | compare_verdicts(groups[-1], judged)
        scores += bench.preferences(answers, second)
    return EvaluationResult(run, loaded.name, name, scores, speed, answers, baseline, other, compared)


def stored(answers: list[harness.Answered], groups: list[harness.Scored]) -> list[stored_rows.ResultRow]:
    """Answers with what each metric gave them, as the store keeps them."""
    values: dict[int, dict[str, float | None]] = {}
    for group in groups:
        for metric, per_row in group.rows.items():
            for answered, value in zip(group.answers, per_row, strict=True):
                values.setdefault(answered.item.row, {})[metric] = value
    return [
        stored_rows.ResultRow(
            a.item.row,
            a.result.text if a.result else None,
            a.item.references,
            values.get(a.item.row, {}),
            a.missing,
            a.item.cluster,
        )
        for a in answers
    ]


def _perplexity(run: str, loaded: Model, texts: list[str], quiet: bool) -> EvaluationResult:
    begun = time.perf_counter()
    with EnergyMeter() as meter, progress(len(texts), f"score {loaded.name}", unit="text", quiet=quiet) as bar:
        found = likelihood.likelihoods(loaded, texts, bar.advance)
    seconds, tokens = time.perf_counter() - begun, sum(f.tokens for f in found)
    speed = Speed.of(seconds, tokens, 0, meter.energy, counted=tokens)
    return EvaluationResult(run, loaded.name, PERPLEXITY, likelihood.scores(texts, found), speed)
