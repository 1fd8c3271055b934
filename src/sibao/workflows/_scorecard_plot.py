"""Plots of a scorecard: every quality figure with its interval and what guessing gives; every bias figure beside its ideal."""

from __future__ import annotations

import io
import warnings
from typing import Any

from sibao.core.types import Language
from sibao.evaluation.plots import MARKED, MEASURED, QUIET
from sibao.evaluation.scorecard import Cell, Scorecard
from sibao.workflows._scorecard_words import word

QUALITY = ("accuracy", "qa", "translation", "summarization", "safety")


def plots(card: Scorecard, language: Language = "en") -> dict[str, str]:
    """SVG by name: ``quality`` and ``bias``, each only where there are such figures.

    Raises:
        MissingPackage: matplotlib is not installed.
    """
    quality = [c for c in card.cells if c.section in QUALITY and c.leading and c.better and 0 <= _value(c) <= 1]
    bias = [c for c in card.cells if c.section == "bias" and c.leading and c.ideal is not None]
    found = {}
    if quality:
        found["quality"] = _bars(quality, word("quality", language))
    if bias:
        found["bias"] = _bars(bias, word("fair", language))
    return found


def _value(cell: Cell) -> float:
    return cell.value if isinstance(cell.value, float) else float("nan")


def _bars(cells: list[Cell], title: str) -> str:
    """A point and an interval for each cell, one a line. Text stays text, so that the page's own fonts show it."""
    figure, axes = _figure(len(cells))
    for row, cell in enumerate(reversed(cells)):
        value = _value(cell)
        if cell.low is not None and cell.high is not None:
            axes.plot([cell.low, cell.high], [row, row], color=MEASURED, linewidth=5, alpha=0.35, solid_capstyle="butt")
        axes.plot([value], [row], "o", color=MEASURED, markersize=5)
        if cell.chance is not None and cell.chance != cell.ideal:
            axes.plot([cell.chance] * 2, [row - 0.32, row + 0.32], color=MARKED, linewidth=2)
        if cell.ideal is not None:
            axes.plot([cell.ideal] * 2, [row - 0.45, row + 0.45], color=MARKED, linewidth=2, linestyle=":")
    axes.set_yticks(range(len(cells)), [_called(cell) for cell in reversed(cells)])
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(axis="x", color=QUIET, alpha=0.25)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return _svg(figure)


def _called(cell: Cell) -> str:
    return f"{cell.name} ↓" if cell.better == "lower" else cell.name


def _figure(rows: int) -> tuple[Any, Any]:
    from sibao.core.errors import MissingPackage

    try:
        import matplotlib
    except ImportError as fault:
        raise MissingPackage("matplotlib", extra="plots", purpose="a plot") from fault
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = "sibao"  # the same card gives the same file
    figure = Figure(figsize=(7.5, 0.9 + 0.3 * rows), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Any) -> str:
    out = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's fonts have them: text stays text
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
