"""The Pareto plot of a choice: quality against what it costs, its front as a line. PNG or SVG."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from sibao.choosing.cells import Cells, cell_of
from sibao.core.errors import BadInput, MissingPackage
from sibao.core.paths import atomic_path
from sibao.core.types import Language
from sibao.evaluation.plots import MARKED, MEASURED, QUIET
from sibao.workflows._choose_words import short, word

AGAINST = ("cost", "latency", "memory", "parameters")
"""What quality is drawn against: the first that is known of two models and differs."""
HAN_FONTS = (
    "Noto Sans CJK SC", "Source Han Sans SC", "Noto Serif CJK SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "PingFang SC",
    "Microsoft YaHei", "SimHei", "Heiti SC", "Arial Unicode MS",
)  # fmt: skip


def axis(table: dict[str, Cells]) -> str | None:
    """The figure on the horizontal axis; None where there is nothing to draw."""
    for key in AGAINST:
        pairs = [c for c in table.values() if None not in (cell_of(c, "quality").number, cell_of(c, key).number)]
        if len(pairs) > 1 and len({cell_of(c, key).number for c in pairs}) > 1:
            return key
    return None


def svg(table: dict[str, Cells], front: tuple[str, ...], language: Language) -> str:
    """The plot as SVG, empty where there is nothing to draw. Its text stays text, shown by the reader's own fonts.

    Raises:
        MissingPackage: matplotlib is not installed.
    """
    key = axis(table)
    if key is None:
        return ""
    out = io.StringIO()
    _render(out, "svg", table, front, key, language)
    text = out.getvalue()
    return text[text.index("<svg") :]


def save(path: Path, table: dict[str, Cells], front: tuple[str, ...], language: Language) -> None:
    """Write the plot as ``.png`` or ``.svg``. A PNG is in English where no font of this machine has Chinese characters.

    Raises:
        BadInput: another kind of file, or nothing to draw. MissingPackage: matplotlib is not installed.
    """
    kind, key = path.suffix.lower().removeprefix("."), axis(table)
    if kind not in ("png", "svg"):
        raise BadInput(f"{path} is no .png or .svg", hint="--plot choice.svg")
    if key is None:
        raise BadInput("there is nothing to draw: quality and a second figure must be known of two models")
    with atomic_path(path) as temporary:
        _render(temporary, kind, table, front, key, language)


def han_font() -> str | None:
    """A font of this machine that has Chinese characters; None where there is none."""
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in HAN_FONTS if name in there), None)


def _render(out: Any, kind: str, table: dict[str, Cells], front: tuple[str, ...], key: str, language: Language) -> None:
    try:
        import matplotlib
    except ImportError as fault:
        raise MissingPackage("matplotlib", extra="plots", purpose="a plot") from fault
    from matplotlib.figure import Figure

    han = han_font()
    plain = kind == "png" and han is None  # boxes would stand where Chinese should
    fonts = ["DejaVu Sans", *([han] if han else [])]  # the first one that has a character draws it
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "sibao", "font.family": fonts}):
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        axes = figure.subplots()
        _fill(axes, table, front, key, "en" if plain else language, plain)
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(out, format=kind, dpi=150, transparent=kind == "svg", metadata=metadata)


def _fill(
    axes: Any, table: dict[str, Cells], front: tuple[str, ...], key: str, language: Language, plain: bool
) -> None:
    points = {n: c for n, c in table.items() if None not in (cell_of(c, "quality").number, cell_of(c, key).number)}
    for name, called in short(points).items():
        label = called.encode("ascii", "backslashreplace").decode() if plain else called
        _point(axes, label, points[name], key, name in front)
    ends = [(cell_of(points[n], key).number or 0.0, cell_of(points[n], "quality").number) for n in front if n in points]
    line = sorted(ends, key=lambda end: end[0])
    axes.plot([x for x, _ in line], [y for _, y in line], color=MARKED, linewidth=1, linestyle="--", zorder=1)
    unit = cell_of(next(iter(points.values())), key).unit
    axes.set_xlabel(f"{word(key, language)} ({unit})" if unit else word(key, language))
    axes.set_ylabel(word("quality", language))
    axes.margins(0.18)
    axes.grid(color=QUIET, alpha=0.25)
    axes.tick_params(color=QUIET)
    for spine in axes.spines.values():  # seen on light and on dark pages
        spine.set_color(QUIET)


def _point(axes: Any, name: str, cells: Cells, key: str, on_front: bool) -> None:
    quality, x = cell_of(cells, "quality"), cell_of(cells, key).number
    color = MARKED if on_front else MEASURED
    if quality.low is not None and quality.high is not None:
        axes.plot([x, x], [quality.low, quality.high], color=color, linewidth=4, alpha=0.3, solid_capstyle="butt")
    axes.plot([x], [quality.number], "o", color=color, zorder=3)
    axes.annotate(
        name if len(name) <= 36 else f"…{name[-35:]}",
        (x, quality.number),
        xytext=(6, 6),
        textcoords="offset points",
        fontsize=9,
    )
