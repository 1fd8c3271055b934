"""``sibao leaderboard``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from sibao.cli._flags import Json, Tongue, example, new_group
from sibao.cli._show import head, note, print_json, render
from sibao.core.errors import BadInput

app = new_group()
Name = list[str] | None


@app.command(
    epilog=example(
        "sibao leaderboard --suite mmlu",
        "sibao leaderboard --import squad.json.gz --import MODEL/README.md",
        "sibao leaderboard --own --export model-index --output cards",
        "sibao leaderboard --html board.html --language zh",
    )
)
def leaderboard(
    suite: Annotated[Name, typer.Option("--suite", "-s", metavar="NAME", help="Only this suite; repeatable.")] = None,
    task: Annotated[Name, typer.Option(metavar="NAME", help="Only this task, whole or in part; repeatable.")] = None,
    dataset: Annotated[Name, typer.Option(metavar="NAME", help="Only this dataset, in the same way.")] = None,
    metric: Annotated[Name, typer.Option(metavar="NAME", help="Only this metric, in the same way.")] = None,
    model: Annotated[Name, typer.Option("--model", "-m", metavar="NAME", help="Only this model, in the same way.")] = None,
    own: Annotated[bool, typer.Option("--own", help="Only evaluations that were run here.")] = False,
    imports: Annotated[
        Name,
        typer.Option(
            "--import", metavar="FILE",
            help="Keep the results of a file first: Papers with Code JSON (.gz), README.md, .eval_results; repeatable.",
        ),
    ] = None,
    forget: Annotated[Name, typer.Option(metavar="FILE", help="Drop what was imported from a file; repeatable.")] = None,
    export: Annotated[
        Literal["pwc", "model-index", "eval-results"] | None, typer.Option(help="Write the chosen results in this form.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where to: a file for pwc, else a folder for the models' folders.")
    ] = None,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Write a page with sortable tables.")] = None,
    language: Annotated[Tongue, typer.Option(help="Language that the page opens in.")] = "en",
    limit: Annotated[int, typer.Option(min=1, help="Print at most so many tables.")] = 10,
    json: Json = False,
) -> None:  # fmt: skip
    """Rank models by recorded and published results.

    A rank is a range: every place that a model could truly have, by paired tests of the rows or by the intervals."""
    from sibao.workflows import leaderboard as verbs
    from sibao.workflows._board_html import write_page
    from sibao.workflows._board_show import imported, show

    if (export is None) != (output is None):
        raise BadInput("--export and --output go together", hint="--export pwc --output tables.json")
    suites, tasks, datasets, metrics, models = (tuple(one or ()) for one in (suite, task, dataset, metric, model))
    choice = verbs.Choice(suites, tasks, datasets, metrics, models, own)
    forgotten = verbs.forget_files(forget) if forget else 0
    read = verbs.import_files(imports) if imports else []
    written = [str(path) for path in verbs.export_results(export, output, choice)] if export and output else []
    only_files = (imports or forget or export) and not (html or json or choice != verbs.Choice())
    tables = [] if only_files else verbs.leaderboard(choice)
    written += [str(write_page(tables, html, language))] if html else []
    if json:
        found = {"imported": [one.to_json() for one in read], "forgotten": forgotten, "written": written}
        print_json({**head("leaderboard", None), **found, "tables": verbs.to_json(tables)})
        return
    note(*imported(read), *([f"forgot {forgotten} results"] if forget else []), *(f"wrote {path}" for path in written))
    if not only_files and not html:
        render(show(tables, limit))
