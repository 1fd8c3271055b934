"""``sibao check``."""

from __future__ import annotations

from typing import Annotated

import typer

from sibao.cli._flags import Json, example, new_group
from sibao.cli._show import head, print_json, render

app = new_group()


@app.command(
    epilog=example("sibao check mini", "sibao check my-model --data rows.jsonl --url http://127.0.0.1:8080/v1")
)
def check(
    model: Annotated[
        str, typer.Argument(help="mini, a folder, org/name, or any of them with +ADAPTER.", metavar="MODEL")
    ],
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FILE", help="Render rows of this file too; repeatable.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Task that renders the rows (default: told by their form).")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows of each file.")] = 3,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Server that runs the same model: http://host:port/v1, with #NAME if it has several."
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Folder, org/name or URL that should hold the same model.")
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens answered on each back end.")] = 16,
    accept: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A finding that may fail; repeatable.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    json: Json = False,
) -> None:
    """Prove that a model is the same everywhere.

    Shows which tokens carry loss, checks template, BOS, stop, pad, tokenizer and weights, and answers one prompt on
    every back end. Exit code 1 when something disagrees."""
    from sibao.workflows.check import Options
    from sibao.workflows.check import check as run

    options = Options(
        data=tuple(data or ()), task=task, rows=rows, url=url, against=against, tokens=tokens,
        accept=tuple(accept or ()), quiet=quiet or json,
    )  # fmt: skip
    found = run(model, options)
    if json:
        print_json({**head("check", model), **found.to_json()})
    else:
        render(found.render())
    raise typer.Exit(0 if found.ok else 1)
