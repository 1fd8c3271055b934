"""The samples of bench/serve.py as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engines.shapes import SHAPES

from serving.servers import KINDS

OURS = "sibao-int8"
HEAD = (
    "model", "server", "clients", "tokens/s", "Sibao int8 beside it", "first token p50", "p99", "the server's own, a token",
    "of a token",
)  # fmt: skip


def table(results: dict[str, Any], shapes: Sequence[str], new: int) -> list[str]:
    """Lines of the page."""
    rows = [row for name in shapes for kind in KINDS for row in rows_of(results, name, kind.name, kind.title)]
    lines = ["| " + " | ".join(row) + " |" for row in (HEAD, ("---",) * len(HEAD), *rows)]
    days = sorted({(one["run"], one["machine"], one["threads"]) for one in results.values()})
    said = [
        f"Run of {day}: {where}, {threads} threads, {new} new tokens after about 100." for day, where, threads in days
    ]
    return ["", *lines, "", *said, ""]


def rows_of(results: dict[str, Any], name: str, kind: str, title: str) -> list[tuple[str, ...]]:
    """Lines of one server: one for each number of clients."""
    cell, shown = results.get(f"{name}/{kind}"), SHAPES[name].title
    if cell is None:
        return []
    if "not_run" in cell:
        return [(shown, title, "–", f"not run: {cell['not_run']}", "–", "–", "–", "–", "–")]
    ours, rows = results.get(f"{name}/{OURS}", {}).get("clients", {}), []
    for clients, one in cell["clients"].items():
        ratio = f"{ours[clients]['rate'] / one['rate']:.2f}×" if clients in ours and kind != OURS else "–"
        waits = f"{one['p50']:.2f} s", f"{one['p99']:.2f} s"
        rows.append((shown, title, clients, f"{one['rate']:.1f}", ratio, *waits, *own(cell, clients)))
    return rows


def own(cell: dict[str, Any], clients: str) -> tuple[str, str]:
    """What the server adds to a token, in time and as a share."""
    alone, one = cell.get("direct", {}).get(clients), cell["clients"][clients]
    if alone is None:
        return "–", "–"
    more = one["seconds"] - alone
    return f"{more / one['tokens'] * 1e6:.0f} µs", f"{more / alone:.1%}"
