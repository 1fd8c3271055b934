"""``sibao scorecard``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sibao.cli._flags import Json, Precision, Tongue, example, new_group
from sibao.cli._show import head, note, print_json, render

app = new_group()


@app.command(
    epilog=example(
        "sibao scorecard mini",
        "sibao scorecard mini --path DATA --limit 200 --output card",
        "sibao scorecard mini --suite xstest --suite crows_pairs --language zh",
    )
)
def scorecard(
    model: Annotated[str, typer.Argument(help="Model name or folder.", metavar="MODEL")],
    suite: Annotated[
        list[str] | None, typer.Option("--suite", "-s", metavar="NAME", help="Only these suites; repeatable.")
    ] = None,
    path: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder with the published files of the suites.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows of each suite; 0 is all.")] = 200,
    precision: Annotated[Precision, typer.Option(help="Number format of the weights in memory.")] = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Run again what is in the store.")] = False,
    no_speed: Annotated[bool, typer.Option("--no-speed", help="Leave out what depends on this machine.")] = False,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="DIR", help="Write card.md, card.html, card.json and plots here."),
    ] = None,
    language: Annotated[Tongue | None, typer.Option(help="Language of the card.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    json: Json = False,
) -> None:
    """Everything known of a model on one page, each figure with its interval, source and date.

    What the store lacks is run first: quality, bias, safety, speed, memory, energy, cost."""
    from sibao.workflows._scorecard_files import card_language, write_card
    from sibao.workflows._scorecard_show import render as table
    from sibao.workflows.scorecard import CardAsk
    from sibao.workflows.scorecard import scorecard as run

    asked = CardAsk(tuple(suite or ()), path, limit or None, precision, fresh, not no_speed)
    card = run(model, asked, quiet=quiet)
    tongue = card_language(language)
    if output is not None:
        for file in write_card(card, Path(output), tongue):
            note(str(file))
    if json:
        print_json({**head("scorecard", model), **card.to_json()})
    else:
        render(table(card, tongue))
