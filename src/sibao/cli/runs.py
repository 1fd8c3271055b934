"""``sibao runs``: what was trained and measured on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sibao.cli._flags import Json, example, new_group
from sibao.cli._show import head, print_json, render

if TYPE_CHECKING:
    from sibao.store.runs import Run

app = new_group()
runs = new_group("runs", "List the recorded runs, show one, or delete one.", invoke_without_command=True)
app.add_typer(runs, epilog=example("sibao runs", "sibao runs show r3k9"))
RunId = Annotated[str, typer.Argument(help="A run's id, or its beginning.", metavar="RUN")]


@runs.callback()
def _default(ctx: typer.Context, json: Json = False) -> None:
    if ctx.invoked_subcommand is None:
        _list(None, None, None, 20, json)


@runs.command("list", epilog=example("sibao runs list --kind pretrain --limit 5"))
def list_(
    kind: Annotated[str | None, typer.Option(help="Only runs of this kind: pretrain, finetune, evaluate.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Only runs of this model.")] = None,
    status: Annotated[
        Literal["running", "done", "failed", "stopped"] | None, typer.Option(help="Only runs in this state.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 20,
    json: Json = False,
) -> None:
    """List runs, the newest first."""
    _list(kind, model, status, limit, json)


@runs.command(epilog=example("sibao runs show r3k9"))
def show(run: RunId, json: Json = False) -> None:
    """Show one run: its recipe, what came of it, its scores."""
    from sibao.store.runs import get_run, scores_of

    found = get_run(run)
    values = _fields(found, scores_of(found.id))
    if json:
        print_json({**head("runs show", found.model), **values})
        return
    from rich.pretty import Pretty

    render(_table([found]))
    render(Pretty({"recipe": values["recipe"], "result": values["result"]}))
    for score in values["scores"]:
        interval = "" if score["low"] is None else f" [{score['low']:.4g}, {score['high']:.4g}]"
        print(f"{score['name']}: {score['value']:.4g}{interval} n={score['n']} {score['signature']}")
    if found.message:
        print(found.message)


@runs.command(epilog=example("sibao runs delete r3k9"))
def delete(run: RunId, json: Json = False) -> None:
    """Remove a run from the records, with its scores. Files in its folder stay."""
    from sibao.store.runs import delete_run

    gone = delete_run(run)
    if json:
        print_json({**head("runs delete", None), "run": gone, "deleted": True})
    else:
        print(f"deleted the record of {gone}")


def _list(kind: str | None, model: str | None, status: Any, limit: int, as_json: bool) -> None:
    from sibao.store.runs import list_runs, scores_of

    found = list_runs(kind, model, status, limit)
    if as_json:
        print_json({**head("runs", None), "runs": [_fields(run, scores_of(run.id)) for run in found]})
    elif found:
        render(_table(found))
    else:
        print("no runs yet" if kind is model is status is None else "no run is like that; sibao runs list shows all")


def _fields(run: Run, scores: Any) -> dict[str, Any]:
    """The run's JSON; ``version`` is that of the program which speaks, so the run's own has another name."""
    values = run.to_json(scores)
    values["run_version"] = values.pop("version")
    return values


def _table(found: list[Run]) -> Any:
    from datetime import datetime

    from rich.table import Table

    table = Table("run", "kind", "model", "status", "started", "took")
    for run in found:
        started = datetime.fromtimestamp(run.started).strftime("%Y-%m-%d %H:%M")
        took = "" if run.finished is None else f"{run.finished - run.started:,.0f} s"
        table.add_row(run.id, run.kind, run.model, run.status, started, took)
    return table
