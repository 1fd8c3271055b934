"""``sibao doctor``."""

from __future__ import annotations

import typer

from sibao.cli._flags import Json, example, new_group
from sibao.cli._show import head, print_json, render

app = new_group()


@app.command(epilog=example("sibao doctor --json"))
def doctor(json: Json = False) -> None:
    """Look whether this machine is ready.

    Says what to do where it is not; exit code 1 if Sibao cannot work. It never uses the network."""
    from sibao.workflows.doctor import doctor as run

    found = run()
    if json:
        print_json({**head("doctor", None), **found.to_json()})
    else:
        render(found.render())
    raise typer.Exit(0 if found.ok else 1)
