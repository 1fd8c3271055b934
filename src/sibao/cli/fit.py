"""``sibao fit``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from sibao.cli._flags import Json, example, new_group
from sibao.cli._show import head, print_json, render

app = new_group()


@app.command(epilog=example("sibao fit mini", "sibao fit --config config.json --context 4096 --json"))
def fit(
    model: Annotated[str | None, typer.Argument(help="Model name or folder.", metavar="MODEL")] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="The config.json of a model that is not here, in place of MODEL.")
    ] = None,
    context: Annotated[
        int | None, typer.Option(min=1, help="Tokens of each request, and of each row of training (default: 2048).")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Requests at once, and rows of a micro-batch of training.")] = 1,
    precision: Annotated[
        Literal["fp32", "bf16", "int8", "int4"] | None,
        typer.Option(help="Only this precision (default: all; training in fp32 or bf16)."),
    ] = None,
    json: Json = False,
) -> None:
    """Say what a model needs in memory and how fast it would be here.

    Counts parameters, weights, cache, activations and optimizer state from config.json alone; no weights are needed."""
    from sibao.workflows.fit import fit as run

    found = run(model, config=config, context=context, batch=batch, precision=precision)
    if json:
        print_json({**head("fit", found.name), **found.to_json()})
    else:
        from sibao.workflows.fit_tables import show

        render(show(found))
