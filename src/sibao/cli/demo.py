"""``sibao demo``."""

from __future__ import annotations

from sibao.cli._flags import Json, example, new_group
from sibao.cli._show import head, print_json

app = new_group()


@app.command(epilog=example("sibao demo"))
def demo(json: Json = False) -> None:
    """Show all that Sibao does, with the embedded model.

    The four tasks in both languages, then an adapter is trained on real rows and measured on others."""
    from sibao.workflows.demo import demo as run

    found = run(quiet=json)
    if json:
        print_json({**head("demo", "mini"), **found})
