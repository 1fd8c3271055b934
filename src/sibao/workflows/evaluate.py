"""``sibao evaluate MODEL --task T --data FILE``: scores with intervals, a paired comparison, speed, memory and energy."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sibao.core.energy import Energy, EnergyMeter
from sibao.core.errors import BadInput, DataError, SibaoError
from sibao.core.progress import progress
from sibao.core.system import peak_memory_bytes
from sibao.core.types import GenerateOptions, Score, Usage
from sibao.evaluation import harness, likelihood
from sibao.evaluation.multiple import together
from sibao.evaluation.sample import Outcome
from sibao.evaluation.statistics import Comparison
from sibao.metrics.perplexity import Likelihood
from sibao.store import rows as stored_rows
from sibao.store import runs
from sibao.tasks.base import load_task
from sibao.text.media import beside
from sibao.text.readers import expand, read_numbered
from sibao.text.rows import SEEN, text_of
from sibao.workflows._judging import Bench, JudgeAsk, compare_verdicts, open_bench
from sibao.workflows._models import Bill, Opened, Opening, open_model

if TYPE_CHECKING:
    from rich.console import RenderableType

PERPLEXITY = "perplexity"
"""In place of a task: how well the model predicts the texts themselves."""


@dataclass(frozen=True)
class Speed:
    """What the evaluation took: of the answers that were computed, not of the ``kept`` ones, which the store had. ``cost`` in
    ``currency`` is None where nobody knows it, or nothing is paid; ``stopped``: the limit of cost left rows unasked."""

    seconds: float
    prompt_tokens: int
    completion_tokens: int
    tokens_per_second: float
    peak_memory_bytes: int
    joules: float
    energy: str
    kept: int = 0
    cost: float | None = None
    currency: str = ""
    stopped: bool = False

    @classmethod
    def of(
        cls, seconds: float, read: int, written: int, energy: Energy, bill: Bill, *, counted: int | None = None, kept: int = 0
    ) -> Speed:  # fmt: skip
        """From tokens read and written; ``counted`` of them (the written ones) are those of the rate."""
        rate = (written if counted is None else counted) / seconds if seconds else math.nan
        return cls(
            seconds, read, written, rate, peak_memory_bytes(), energy.joules, energy.kind, kept,
            bill.cost, bill.currency, bill.stopped > 0,
        )  # fmt: skip

    def render(self) -> str:
        """In a line."""
        kept = f", {self.kept} answers kept from before" if self.kept else ""
        took = f"{self.seconds:.1f} s, {self.tokens_per_second:.0f} tokens/s{kept}"
        paid = "" if self.cost is None else f", {self.cost:.4f} {self.currency}"
        stopped = "; --max-cost left rows unasked: they are missing" if self.stopped else ""
        memory = f"peak memory {self.peak_memory_bytes / 2**20:.0f} MiB"
        return f"{took}, {memory}, {self.joules / 3600:.2f} Wh ({self.energy}){paid}{stopped}"


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
        return Group(*parts, Text(self.speed.render()))


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
        how: price (of ``model``), the purse of all models, workers, and whether answers are kept and found again.
        judge: another model that reads each answer by a rubric; with ``compare``, both models' answers in both orders.

    Raises:
        DataError: rows the task cannot read. BadInput: no rows, a model that cannot do it, or none that was answered.
        ProviderError: the key is refused, no credit is left, or the provider answers no more.
    """
    rows = read_data(data, limit)
    bench = None if judge is None else open_bench(judge, task, how)
    how = replace(how or Opening(), precision="auto")
    opened = open_model(model, replace(how, precision=precision))
    asked: dict[str, Any] = {
        "task": task, "data": data, "to": to, "limit": limit, "compare": compare, "precision": precision,
        "digest": digest(rows),
    }  # fmt: skip
    asked |= {} if judge is None else {"judge": judge.__dict__}
    run = runs.create_run("evaluate", model, asked)
    try:
        if task == PERPLEXITY:
            result = _perplexity(run, opened, [text_of(row, file=f, line=n) for f, n, row in rows], compare, how, quiet)
        else:
            result = _task(run, opened, task, rows, to, max_tokens, batch, compare, how, bench, quiet)
        result = replace(result, scores=[_signed(s, asked["digest"]) for s in result.scores])
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


def digest(rows: Sequence[tuple[str, int, dict[str, Any]]]) -> str:
    """Eight digits of the SHA-256 of rows, wherever they stand: which rows a figure is of."""
    plain = [{k: _named(v) if k in SEEN else v for k, v in row.items()} for _, _, row in rows]
    whole = json.dumps(plain, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _named(pictures: Any) -> Any:
    """Pictures by their file names, without the folders."""
    if isinstance(pictures, list):
        return [_named(one) for one in pictures]
    return Path(pictures).name if isinstance(pictures, str) and not pictures.startswith("data:") else pictures


def _signed(score: Score, rows: str) -> Score:
    return replace(score, signature=f"data:{rows}|{score.signature}")


def items_of(task: Any, rows: Sequence[tuple[str, int, dict[str, Any]]], to: str | None) -> list[harness.Item]:
    """Rows as a task reads them; ``to``: the language translated into.

    Raises:
        DataError: by file, line and field. BadInput: a row without a target.
    """
    options = {"to": to} if to and task.name == "translate" else {}
    found: list[harness.Item] = []
    for number, (file, line, row) in enumerate(rows):
        try:
            found += harness.items(task, [(number, row)], **options)
        except DataError as error:
            raise DataError(error.message, file=file, line=line, field=error.field, hint=error.hint) from None
    return found


def measured(
    name: str, opened: Opened, todo: list[harness.Item], max_tokens: int | None, batch: int, quiet: bool, title: str
) -> tuple[list[harness.Answered], Speed]:
    """Answers of a model with what they took.

    Raises:
        ProviderError: the key is refused, no credit is left, or the provider answers no more.
    """
    begun, before, found, bill = time.perf_counter(), opened.usage, opened.found, opened.bill
    options = None if max_tokens is None else GenerateOptions(max_tokens=max_tokens)
    with EnergyMeter() as meter, progress(len(todo), title, unit="row", quiet=quiet) as bar:
        answers = harness.answer(
            load_task(name),
            opened.model,
            todo,
            options,
            batch=batch,
            on_done=lambda _: bar.advance(),
            piece_tokens=None,
        )
    seconds, after = time.perf_counter() - begun, opened.usage
    if opened.meter is None:  # a head, whose results count for themselves
        after = sum((a.result.usage for a in answers if a.result is not None), Usage())
    read, written = after.prompt_tokens - before.prompt_tokens, after.completion_tokens - before.completion_tokens
    return answers, Speed.of(seconds, read, written, meter.energy, opened.bill.since(bill), kept=opened.found - found)


def _task(
    run: str,
    opened: Opened,
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
    todo = items_of(task, rows, to)
    shown = opened.model.name
    answers, speed = measured(name, opened, todo, max_tokens, batch, quiet, f"evaluate {shown}")
    harness.refuse_silence(answers)
    groups = harness.score(task, answers) + ([] if bench is None else [bench.verdicts(answers)])
    stored_rows.add_rows(run, stored(answers, groups))
    scores = [s for g in groups for s in g.scores]
    if baseline is None:
        return EvaluationResult(run, shown, name, scores, speed, answers)
    against = open_model(baseline, how.another())
    try:
        second, _ = measured(name, against, todo, max_tokens, batch, quiet, f"evaluate {baseline}")
    finally:
        against.close()
    other = [s for g in harness.score(task, second) for s in g.scores]
    compared = harness.compare_answers(task, answers, second)
    if bench is not None:
        judged = bench.verdicts(second)
        other, compared = other + judged.scores, compared | compare_verdicts(groups[-1], judged)
        scores += bench.preferences(answers, second)
    return EvaluationResult(run, shown, name, scores, speed, answers, baseline, other, together(compared))


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


def _perplexity(
    run: str, opened: Opened, texts: list[str], baseline: str | None, how: Opening, quiet: bool
) -> EvaluationResult:
    found, speed = _read(opened, texts, quiet)
    own = EvaluationResult(run, opened.model.name, PERPLEXITY, likelihood.scores(texts, found), speed)
    if baseline is None:
        return own
    against = open_model(baseline, how.another())
    try:
        second, _ = _read(against, texts, quiet)
    finally:
        against.close()
    compared = together(likelihood.compare(texts, found, second))
    return replace(own, baseline=baseline, baseline_scores=likelihood.scores(texts, second), comparison=compared)


def _read(opened: Opened, texts: list[str], quiet: bool) -> tuple[list[Likelihood], Speed]:
    begun, before, found, bill = time.perf_counter(), opened.usage, opened.found, opened.bill
    with EnergyMeter() as meter, progress(len(texts), f"score {opened.model.name}", unit="text", quiet=quiet) as bar:
        read = likelihood.likelihoods(opened.model, texts, bar.advance)
    tokens = opened.usage.prompt_tokens - before.prompt_tokens
    seconds, kept = time.perf_counter() - begun, opened.found - found
    return read, Speed.of(seconds, tokens, 0, meter.energy, opened.bill.since(bill), counted=tokens, kept=kept)
