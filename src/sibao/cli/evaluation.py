"""``sibao evaluate``."""

from __future__ import annotations

from typing import Annotated

import typer

from sibao.cli._flags import Json, Precision, Tongue, example, new_group
from sibao.cli._show import head, print_json, render

app = new_group()


@app.command(
    epilog=example(
        "sibao evaluate mini --task answer --data cmrc.json --limit 300",
        "sibao evaluate mini --task perplexity --data texts.jsonl --precision int8",
    )
)
def evaluate(
    model: Annotated[str, typer.Argument(help="Model name or folder.", metavar="MODEL")],
    task: Annotated[str, typer.Option(help="translate, answer, summarize, generate, describe or perplexity.")],
    data: Annotated[
        list[str], typer.Option("--data", metavar="FILE", help="Data file with the texts wanted; repeatable.")
    ],
    to: Annotated[Tongue | None, typer.Option(help="Language to translate into (default: en).")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only so many rows.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Most new tokens of one answer.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Rows computed at once.")] = 16,
    compare: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Another model on the same rows, with a paired test.")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Number format of the weights in memory.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    json: Json = False,
) -> None:
    """Score a model on your own rows.

    Each metric comes with its interval and with how it was made."""
    from sibao.workflows.evaluate import evaluate as run

    result = run(
        model,
        task=task,
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
