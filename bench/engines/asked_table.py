"""The samples of bench/evaluate.py as Markdown."""

from __future__ import annotations

from typing import Any

from engines.asked import Asked, works
from engines.shapes import SHAPES, Shape
from engines.table import number

ROWS = {"gpt2": 32, "mini": 200}
"""Rows of a run: the harness takes half a minute for them, or a whole one."""
STARTUP = 2.0
"""Seconds wanted from the shell to the first row."""
HEAD = ("model", "work", "Sibao", "lm-evaluation-harness", "times", "wanted", "agreement")


def table(results: dict[str, Any]) -> list[str]:
    """Lines of the page."""
    rows = [
        cells_of(shape, work, results[key])
        for shape in (SHAPES[name] for name in ROWS)
        for work in works(ROWS[shape.name])
        if (key := f"{shape.name}/{work.name}") in results
    ]
    if not rows:
        return []
    lines = ["| " + " | ".join(row) + " |" for row in (HEAD, ("---",) * len(HEAD), *rows)]
    begun = results.get("startup", {})
    said = f"{begun['median']:.2f} s" if "median" in begun else begun.get("not_run", "not measured")
    lines += [
        "",
        f"`sibao evaluate mini` on one row, from the shell to its end: {said} (wanted: under {STARTUP:g} s to the first row).",
    ]
    days = sorted({(one["run"], one["machine"], one["threads"]) for one in results.values()})
    lines += [f"Run of {day}: {where}, {threads} threads, float32, medians." for day, where, threads in days]
    return ["", *lines, ""]


def cells_of(shape: Shape, work: Asked, found: dict[str, Any]) -> tuple[str, ...]:
    """One line of the table."""
    if "not_run" in found:
        return shape.title, work.title, f"not run: {found['not_run']}", "–", "–", f"{work.wanted:g}×", "–"
    ours, theirs = found["medians"]["sibao"], found["medians"]["harness"]
    agreed = found["agreement"]
    same = (
        f"{agreed['same']} of {agreed['texts']} texts the same"
        if agreed["texts"]
        else f"within {agreed['gap']:.1g} nats"
    )
    return (
        shape.title, work.title, f"{number(ours)} rows/s", f"{number(theirs)} rows/s (batch {found['batch']})",
        f"**{ours / theirs:.2f}×**", f"{work.wanted:g}×", f"figures the same, {same}",
    )  # fmt: skip


def line(shape: Shape, work: Asked, found: dict[str, Any]) -> str:
    """The same for the terminal."""
    return "   ".join(cells_of(shape, work, found)[2:])
