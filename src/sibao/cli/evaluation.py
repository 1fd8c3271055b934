"""``sibao evaluate``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from sibao.cli._flags import Json, Precision, Tongue, example, new_group
from sibao.cli._show import head, print_json, render
from sibao.core.errors import BadInput

app = new_group()
Chat = Literal["auto", "on", "off"]


@app.command(
    epilog=example(
        "sibao evaluate mini --task answer --data cmrc.json --limit 300",
        "sibao evaluate mini --task perplexity --data texts.jsonl --precision int8",
        "sibao evaluate mini --suite xstest --suite crows_pairs",
        "sibao evaluate mini --suite mmlu --path DATA --shots 5 --limit 200 --explain-score",
        "sibao evaluate mini --suite my_task.yaml --workers 2",
        "sibao evaluate --list",
    )
)
def evaluate(
    model: Annotated[str | None, typer.Argument(help="Model name or folder.", metavar="MODEL")] = None,
    task: Annotated[
        str | None, typer.Option(help="translate, answer, summarize, generate, describe or perplexity.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FILE", help="Data file with the texts wanted; repeatable.")
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", "-s", metavar="NAME", help="A published benchmark, or a task.yaml; repeatable."),
    ] = None,
    path: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder with the published files of the suites.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(min=0, help="Worked examples before each row (default: as published).")
    ] = None,
    chat: Annotated[
        Chat, typer.Option("--chat-template", help="Ask through the model's chat template; auto: for written answers.")
    ] = "auto",
    explain: Annotated[
        bool, typer.Option("--explain-score", help="Every convention side by side, and what happens at the border.")
    ] = False,
    perturb: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Also with typos, options or paraphrase changed; repeatable."),
    ] = None,
    run_code: Annotated[bool, typer.Option("--run-code", help="Run programs that the model writes, in a sandbox.")] = (
        False
    ),
    to: Annotated[Tongue | None, typer.Option(help="Language to translate into (default: en).")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only so many rows.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Most new tokens of one answer.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Rows computed at once.")] = 16,
    compare: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Another model on the same rows, with a paired test.")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Number format of the weights in memory.")] = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes to share the rows; the same bits whatever their number.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Share the rows over a Ray cluster; local starts one.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0.0, help="Stop before more is spent, in the price's currency.")
    ] = None,
    price: Annotated[
        str | None, typer.Option(metavar="IN,OUT", help="Price of a million tokens read and written.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Ask a few rows and say what all would cost.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask again what was answered before.")] = False,
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
    if bool(suite) == bool(task):
        raise BadInput("wanted either --task with --data, or --suite", hint="sibao evaluate --list shows the suites")
    if suite:
        from sibao.workflows._models import Opening, read_price
        from sibao.workflows.evaluate_suites import SuiteAsk

        asked = SuiteAsk(path, shots, chat, limit, max(batch, 64), explain, tuple(perturb or ()), run_code)
        how = Opening(
            precision, workers, ray, cache=not no_cache, price=read_price(price) if price else None, max_cost=max_cost
        )
        return _suites(model, suite, asked, how, compare, preview, quiet, json)
    if not data:
        raise BadInput("a task needs rows", hint="add --data FILE")
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
        precision=precision,
        quiet=quiet,
    )
    if json:
        print_json({**head("evaluate", model), **result.to_json()})
    else:
        render(result.render())


def _suites(
    model: str, suites: list[str], asked: Any, how: Any, compare: str | None, preview: bool, quiet: bool, json: bool
) -> None:
    from sibao.workflows import evaluate_suites as work

    if preview:
        found = work.preview_suites(model, suites, asked, how, quiet=quiet)
        if json:
            print_json(
                {**head("evaluate", model), "preview": [{"suite": name, **one.to_json()} for name, one in found]}
            )
        else:
            from sibao.workflows._suite_show import preview_table

            render(preview_table(model, found))
        return
    results = work.evaluate_suites(model, suites, asked, how, quiet=quiet)
    if compare is not None:
        others = work.evaluate_suites(compare, suites, asked, how, quiet=quiet)
        results = [work.against(one, other) for one, other in zip(results, others, strict=True)]
    if json:
        print_json({**head("evaluate", model), "results": [one.to_json() for one in results]})
        return
    for one in results:
        render(one.render())


def _list(json: bool) -> None:
    from sibao.workflows._suite_show import suite_list, suites_json

    if json:
        print_json({**head("evaluate", ""), "suites": suites_json()})
    else:
        render(suite_list())
