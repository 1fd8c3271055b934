"""``sibao evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sibao.cli._flags import Json, Tongue, example, new_group, with_flags
from sibao.cli._judge_flags import EvaluateFlags
from sibao.cli._show import head, print_json, render
from sibao.core.errors import BadInput

if TYPE_CHECKING:
    from sibao.evaluation.budget import Preview
    from sibao.workflows.evaluate_suites import SuiteAsk

app = new_group()


@app.command(
    epilog=example(
        "sibao evaluate mini --task answer --data cmrc.json --limit 300",
        "sibao evaluate mini --task perplexity --data texts.jsonl --precision int8",
        "sibao evaluate mini --task summarize --data news.jsonl --judge openai:NAME --labels labelled.jsonl",
        "sibao evaluate mini --suite xstest --suite crows_pairs",
        "sibao evaluate mini --suite mmlu --path DATA --shots 5 --limit 200 --explain-score",
        "sibao evaluate mini --suite my_task.yaml --workers 2",
        "sibao evaluate --list",
    )
)
@with_flags(EvaluateFlags)
def evaluate(
    flags: EvaluateFlags,
    model: Annotated[str | None, typer.Argument(help="Model name or folder.", metavar="MODEL")] = None,
    task: Annotated[
        str | None, typer.Option(help="translate, answer, summarize, generate, describe or perplexity.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FILE", help="Data file with the texts wanted; repeatable.")
    ] = None,
    to: Annotated[Tongue | None, typer.Option(help="Language to translate into (default: en).")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only so many rows.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Most new tokens of one answer.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Rows computed at once.")] = 16,
    compare: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Another model on the same rows, with a paired test.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Ask a few rows and say what all would cost.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show all suites.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    json: Json = False,
) -> None:
    """Score a model on your own rows, or on published benchmarks.

    Each metric comes with its interval, what guessing gives, and how it was made."""
    if listed:
        return _list(json)
    if model is None:
        raise BadInput("no model was named", hint="sibao evaluate mini --suite xstest")
    if bool(flags.suite) == bool(task):
        raise BadInput("wanted either --task with --data, or --suite", hint="sibao evaluate --list shows the suites")
    judge = flags.judging()
    if flags.suite:
        flags.refuse_for_suites({"--data": data, "--to": to, "--max-tokens": max_tokens})
        return _suites(model, flags, flags.asked(limit, batch), compare, preview, quiet, json)
    flags.refuse_for_tasks()
    if not data:
        raise BadInput("a task needs rows", hint="add --data FILE")
    if preview:
        return _task_preview(flags, model, str(task), data, to, limit, max_tokens, json)
    from sibao.workflows.evaluate import evaluate as run

    result = run(
        model,
        task=str(task),
        data=data,
        to=to,
        limit=limit,
        max_tokens=max_tokens,
        batch=batch,
        compare=compare,
        precision=flags.precision,
        how=flags.opening(),
        judge=judge,
        quiet=quiet,
    )
    if json:
        print_json({**head("evaluate", model), **result.to_json()})
    else:
        render(result.render())


def _task_preview(
    flags: EvaluateFlags,
    model: str,
    task: str,
    data: list[str],
    to: str | None,
    limit: int | None,
    max_tokens: int | None,
    json: bool,
) -> None:
    from sibao.workflows._preview import preview_task

    found = preview_task(model, task, data, to=to, limit=limit, max_tokens=max_tokens, how=flags.opening())
    _previewed(model, [(task, found)], json)


def _suites(
    model: str, flags: EvaluateFlags, asked: SuiteAsk, compare: str | None, preview: bool, quiet: bool, json: bool
) -> None:
    suites, how = flags.suite or [], flags.opening()
    from sibao.workflows import evaluate_suites as work

    if preview:
        return _previewed(model, work.preview_suites(model, suites, asked, how, quiet=quiet), json)
    results = work.evaluate_suites(model, suites, asked, how, quiet=quiet)
    if compare is not None:
        others = work.evaluate_suites(compare, suites, asked, how.another(), quiet=quiet)
        results = [work.against(one, other) for one, other in zip(results, others, strict=True)]
    if json:
        print_json({**head("evaluate", model), "results": [one.to_json() for one in results]})
        return
    for one in results:
        render(one.render())


def _previewed(model: str, found: list[tuple[str, Preview]], json: bool) -> None:
    if json:
        print_json({**head("evaluate", model), "preview": [{"suite": name, **one.to_json()} for name, one in found]})
    else:
        from sibao.workflows._suite_show import preview_table

        render(preview_table(model, found))


def _list(json: bool) -> None:
    from sibao.workflows._suite_show import suite_list, suites_json

    if json:
        print_json({**head("evaluate", ""), "suites": suites_json()})
    else:
        render(suite_list())
