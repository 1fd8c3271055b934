"""``sibao compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from sibao.cli._flags import Json, Tongue, example, new_group
from sibao.cli._show import head, note, print_json, render

app = new_group()


@app.command(
    epilog=example("sibao compare r3k9 r3m2", "sibao compare r3k9 r3m2 --html what-changed.html --language zh")
)
def compare(
    first: Annotated[str, typer.Argument(help="A run's id, or its beginning.", metavar="RUN")],
    second: Annotated[str, typer.Argument(help="The run that is held against it.", metavar="RUN")],
    rows: Annotated[int, typer.Option(min=0, help="Print so many rows that changed.")] = 10,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Write a report with every row.")] = None,
    language: Annotated[Tongue, typer.Option(help="Language that the report opens in.")] = "en",
    path: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where the suite's files are, to show what was asked.")
    ] = None,
    json: Json = False,
) -> None:
    """Compare two evaluations of the same rows.

    Paired tests for each metric, adjusted for their number, and what changed row by row."""
    from sibao.workflows._compare_html import write_report
    from sibao.workflows.compare import compare_runs

    found = compare_runs(first, second, path=path)
    written = str(write_report(found, html, language)) if html else None
    if json:
        print_json({**head("compare", found.second.model), **found.to_json(), "written": written})
        return
    from sibao.workflows._compare_show import show

    render(show(found, rows))
    if written:
        note(f"wrote {written}")
