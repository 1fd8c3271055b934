"""Run a task over rows and score the answers. A row that failed is missing, never wrong, and is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from sibao.core.errors import BadInput, SibaoError
from sibao.core.names import load_module
from sibao.core.types import BROKEN_OFF, GenerateOptions, Model, Row, Score
from sibao.evaluation.asking import BROKE_OFF, Patience
from sibao.evaluation.clusters import clustered, compare_clustered
from sibao.evaluation.statistics import Comparison
from sibao.tasks import long
from sibao.tasks.base import Task, TaskResult

MAX_CLASSES = 100
"""Up to so many different references a set of answers counts as a closed list, for which guessing has a rate."""


@dataclass(frozen=True)
class Item:
    """One row to do: what goes in, what is accepted, the language of what is accepted, and the ``cluster`` of rows that it
    belongs to (questions on one passage), if any."""

    row: int
    inputs: Any
    references: list[str]
    language: str
    cluster: str = ""


@dataclass(frozen=True)
class Answered:
    """An item after the model: its answer, or why there is none."""

    item: Item
    result: TaskResult | None = None
    missing: str = ""


@dataclass(frozen=True)
class Scored:
    """Scores of a group of answers. ``rows[metric][i]`` belongs to ``answers[i]``."""

    scores: list[Score]
    rows: dict[str, list[float]]
    answers: list[Answered]


def items(task: Task[Any], rows: Iterable[tuple[int, Row]], **options: Any) -> list[Item]:
    """Read rows for a task; ``options`` are those of its ``read`` (``to``, say).

    Raises:
        DataError: a row that the task cannot read. BadInput: a row without a target, or no rows.
    """
    found: list[Item] = []
    for number, row in rows:
        inputs, value = task.read(row, **options)
        if value is None:
            raise BadInput(f"row {number} has no target to score against", hint="evaluation needs rows with answers")
        references = task.references(value)
        found.append(Item(number, inputs, references, task.language(inputs, references)))
    if not found:
        raise BadInput("got no rows, an evaluation needs at least one")
    return found


def answer(
    task: Task[Any],
    model: Model,
    todo: Sequence[Item],
    options: GenerateOptions | None = None,
    *,
    batch: int = 16,
    on_done: Callable[[Answered], None] = lambda _: None,
    piece_tokens: int | None = None,
    ends: bool = True,
) -> list[Answered]:
    """The model's answers, in the order of ``todo``; computed ``batch`` at a time, alike lengths together.

    Raises:
        ProviderError: with ``ends`` (else all its rows are missing), the key is refused, no credit is left, or the provider
            answers no more (``asking.Patience``).
    """
    order = sorted(range(len(todo)), key=lambda i: len(str(todo[i].inputs)))
    done: dict[int, Answered] = {}
    patience = Patience(batch)
    for begin in range(0, len(order), batch):
        part = order[begin : begin + batch]
        results = long.run_each(task, model, [todo[i].inputs for i in part], options, piece_tokens=piece_tokens)
        for i, result in zip(part, results, strict=True):
            if ends:
                patience.row(result)
            done[i] = _answered(todo[i], result)
            on_done(done[i])
    return [done[i] for i in range(len(todo))]


def _answered(item: Item, result: TaskResult | SibaoError) -> Answered:
    """A text that broke off says nothing of the model; what was written of it is not scored."""
    if isinstance(result, SibaoError):
        return Answered(item, missing=result.message)
    whole = result.finish_reason not in BROKEN_OFF
    return Answered(item, result) if whole else Answered(item, missing=BROKE_OFF)


def refuse_silence(answers: Sequence[Answered]) -> None:
    """An evaluation in which no row at all was answered is a failure, with the commonest reason.

    Raises:
        BadInput: so.
    """
    if answers and all(a.result is None for a in answers):
        why = Counter(a.missing for a in answers).most_common(1)[0][0]
        raise BadInput(f"no row of {len(answers)} was answered: {why}")


def score(task: Task[Any], answers: Sequence[Answered], metrics: Sequence[str] = ()) -> list[Scored]:
    """Scores for each language of the references; where both occur, names end in ``/zh`` and ``/en``."""
    languages = sorted({a.item.language for a in answers})
    groups = [[a for a in answers if a.item.language == language] for language in languages]
    return [
        _score_group(task, group, metrics or task.metrics, language, suffix=f"/{language}" if len(groups) > 1 else "")
        for language, group in zip(languages, groups, strict=True)
    ]


def _score_group(task: Task[Any], group: list[Answered], metrics: Sequence[str], language: str, suffix: str) -> Scored:
    present = [a for a in group if a.result is not None]
    missing = len(group) - len(present)
    if not present:
        empty = [Score(m + suffix, float("nan"), n=0, missing=missing, signature="nothing to score") for m in metrics]
        return Scored(empty, {}, [])
    said = [a.result.text for a in present if a.result is not None]
    accepted = [a.item.references for a in present]
    scores, rows = [], {}
    for name in metrics:
        module = metric(name)
        one: Score = module.score(said, accepted, language=language)
        rows[name + suffix] = module.per_row(said, accepted, language=language)
        if not hasattr(module, "row_statistics"):  # a corpus score is no mean, its interval is its own
            one = clustered(one, rows[name + suffix], [a.item.cluster for a in present], module.SCALE)
        scores.append(
            replace(
                one,
                name=name + suffix,
                missing=missing,
                chance=_chance(name, accepted),
                signature=f"task:{task.name}.v{task.version}|{one.signature}",
            )
        )
    return Scored(scores, rows, present)


def metric(name: str) -> ModuleType:
    """The metric of ``metrics/<name>.py``; a miss lists the nearest names."""
    return load_module("sibao.metrics", name, "metric")


def _chance(name: str, accepted: list[list[str]]) -> float | None:
    """Accuracy of always giving the commonest answer, where the answers are a closed list."""
    if name != "accuracy":
        return None
    counts = Counter(refs[0] for refs in accepted)
    if len(counts) > MAX_CLASSES or len(counts) > len(accepted) / 2:
        return None
    return counts.most_common(1)[0][1] / len(accepted)


def compare_answers(
    task: Task[Any], first: Sequence[Answered], second: Sequence[Answered], metrics: Sequence[str] = ()
) -> dict[str, Comparison]:
    """Paired comparison, metric by metric, of two models on the rows that both answered (first minus second)."""
    both = [(a, b) for a, b in zip(first, second, strict=True) if a.result is not None and b.result is not None]
    out: dict[str, Comparison] = {}
    languages = sorted({a.item.language for a, _ in both})
    for language in languages:
        pairs = [(a, b) for a, b in both if a.item.language == language]
        suffix = f"/{language}" if len(languages) > 1 else ""
        for name in metrics or task.metrics:
            if len(pairs) > 1:
                out[name + suffix] = _compare(metric(name), pairs, language)
    return out


def _compare(module: ModuleType, pairs: list[tuple[Answered, Answered]], language: str) -> Comparison:
    accepted = [a.item.references for a, _ in pairs]
    first, second = ([x.result.text for x in side if x.result is not None] for side in zip(*pairs, strict=True))
    clusters = [a.item.cluster for a, _ in pairs]
    return compare_texts(module, first, second, accepted, language, clusters=clusters)


def compare_texts(
    module: ModuleType,
    first: Sequence[str],
    second: Sequence[str],
    accepted: Sequence[Sequence[str]],
    language: str,
    *,
    clusters: Sequence[str] = (),
    level: float = 0.95,
) -> Comparison:
    """Paired comparison by one metric's module of two systems' texts for the same rows (first minus second); ``clusters`` as
    in ``clusters.compare_clustered``."""
    better = bool(module.HIGHER_IS_BETTER)
    if hasattr(module, "row_statistics"):  # a corpus score: resample its sums, not the rows' own scores
        a, b = (module.row_statistics(texts, accepted, language=language) for texts in (first, second))
        return compare_clustered(a, b, clusters, statistic=module.from_sums, higher_is_better=better, level=level)
    a, b = (module.per_row(texts, accepted, language=language) for texts in (first, second))
    return compare_clustered(a, b, clusters, higher_is_better=better, level=level)
