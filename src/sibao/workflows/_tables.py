"""Tables for people, drawn with rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from sibao.core.types import Score
from sibao.evaluation.statistics import Comparison


def number(value: float | None) -> str:
    """Four significant digits; a dash for what is not known."""
    return "–" if value is None else f"{value:.4g}"


def score_table(title: str, scores: Sequence[Score]) -> Table:
    """One line for each score: value, interval, rows, missing, chance."""
    table = Table(title=title, title_justify="left")
    for name in ("score", "value", "95 % interval", "rows", "missing", "chance"):
        table.add_column(name, justify="left" if name == "score" else "right", overflow="fold")
    for s in scores:
        interval = "–" if s.low is None else f"{number(s.low)} … {number(s.high)}"
        table.add_row(s.name, number(s.value), interval, str(s.n), str(s.missing), number(s.chance))
    return table


def comparison_table(title: str, comparison: Mapping[str, Comparison]) -> Table:
    """One line for each score: the difference, its interval, p, and what follows from it."""
    table = Table(title=title, title_justify="left")
    for name in ("score", "difference", "95 % interval", "p (Holm)", "verdict"):
        table.add_column(name, justify="left" if name in ("score", "verdict") else "right", overflow="fold")
    for name, c in comparison.items():
        interval = f"{number(c.low)} … {number(c.high)}"
        table.add_row(name, f"{c.difference:+.4g}", interval, f"{c.p_value:.2g}", c.verdict)
    return table


def scorecard_table(card: dict[str, Any]) -> Table:
    """The short scorecard of the demo: quality, speed, memory, energy."""
    table = Table(title=f"scorecard · {card['model'].split('+')[0]} + adapter", title_justify="left", show_header=False)
    after, before = card["accuracy"], card["before"]
    table.add_row(
        "accuracy after", f"{after['value']:.3f}  ({after['low']:.3f} … {after['high']:.3f}, n = {after['n']})"
    )
    table.add_row("accuracy before", f"{before['value']:.3f}  ({before['low']:.3f} … {before['high']:.3f})")
    table.add_row("always the commonest class", number(after["chance"]))
    table.add_row("paired test", f"p = {card['p_value']:.2g}: {card['verdict']}")
    table.add_row(
        "speed, 16 rows at once", f"{card['tokens_per_second']:.0f} new tokens/s (prompts included in the time)"
    )
    table.add_row("peak memory", f"{card['peak_memory_bytes'] / 2**20:.0f} MiB")
    table.add_row("energy, training", f"{card['training_joules'] / 3600:.2f} Wh ({card['energy']})")
    table.add_row("energy, evaluation", f"{card['evaluation_joules'] / 3600:.2f} Wh ({card['energy']})")
    return table
