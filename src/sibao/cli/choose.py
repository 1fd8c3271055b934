"""``sibao choose``."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from sibao.cli._choose_flags import ChooseFlags
from sibao.cli._flags import Json, example, new_group, with_flags
from sibao.cli._show import head, note, print_json, render
from sibao.core.errors import BadInput

app = new_group()


@app.command(
    epilog=example(
        "sibao choose --task generate --data test.jsonl --model mini --model mini+ADAPTER",
        "sibao choose --data pairs.jsonl --model mini --model mini --precision auto --precision int8 --html choice.html",
        "sibao choose --data pairs.jsonl --model mini --model openai:gpt-6-luna --max-cost 0.5 --budget 0.1",
        "sibao choose --need '把英文邮件翻译成中文' --offline --licence commercial",
        "sibao choose --list",
        "sibao choose --import model_prices_and_context_window.json --read 2026-11-28",
    )
)
@with_flags(ChooseFlags)
def choose(
    flags: ChooseFlags,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Write a page with the plot.")] = None,
    plot: Annotated[str | None, typer.Option(metavar="FILE", help="Write the plot as .png or .svg.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show the catalogue.")] = False,
    imports: Annotated[
        str | None,
        typer.Option(
            "--import", metavar="FILE", help="Take prices from a list of LiteLLM or models.dev into your catalogue."
        ),
    ] = None,
    read: Annotated[
        str | None, typer.Option(metavar="DATE", help="Day that list was fetched (default: today).")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    json: Json = False,
) -> None:
    """Choose a model: hard limits, then a race on your rows that drops losers early, then the pick and how sure it is.

    With --need and no rows it names the task and answers how to choose and how to measure."""
    if imports is not None:
        return _import(imports, read, json)
    if listed:
        return _list(json)
    from sibao.workflows.choose import choose as run

    done = run(flags.ask(), quiet=quiet)
    if plot:
        from sibao.workflows._choose_plot import save

        save(Path(plot), done.table, done.pick.front, done.language)
    if html:
        from sibao.core.paths import write_text
        from sibao.workflows._choose_html import page

        write_text(Path(html), page(done))
    if json:
        print_json({**head("choose", done.pick.name), **done.to_json()})
    else:
        from sibao.workflows._choose_show import show

        render(show(done))
    note(*(f"wrote {path}" for path in (plot, html) if path))


def _import(file: str, read: str | None, json: bool) -> None:
    from sibao.choosing.catalogue_import import import_prices

    try:
        day = date.today() if read is None else date.fromisoformat(read)
    except ValueError:
        raise BadInput(f"got --read {read!r}, wanted a day", hint="--read 2026-11-28") from None
    done = import_prices(Path(file), read=day)
    if json:
        return print_json({**head("choose", None), "imported": done.to_json()})
    note(
        f"{done.file}: {done.taken} models taken ({done.form}), {done.unnamed} of providers without a name here, "
        f"{len(done.faults)} that could not be read",
        *(f"  {name}: {why}" for name, why in done.faults[:10]),
    )


def _list(json: bool) -> None:
    from sibao.workflows._choose_list import catalogue_json, catalogue_table

    if json:
        print_json({**head("choose", None), "catalogue": catalogue_json()})
    else:
        render(catalogue_table())
