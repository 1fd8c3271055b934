"""A figure as people write it in a table: "85.6%", "12.3 ± 0.4", "1.5B", "28.5*", "-". Parsed, or said why not."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

SCALES = {"K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
ABSENT = frozenset(
    {"", "-", "--", "---", "?", "n/a", "na", "n.a.", "none", "null", "nan", "tbd", "tba", "无", "未知", "缺"}
)
"""What stands where nothing is claimed."""
MARKS = "*†‡§#+^"
"""Footnote signs behind a figure; ``?`` behind one says that it is a guess."""

_HALF = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # full-width figures and signs
_PLAIN = _HALF | {ord(c): "-" for c in "−–—‐‑"} | dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f")) | {0x3000: " "}
_NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d)\.?)(?:[eE][+-]?\d+)?"
_FIGURE = re.compile(
    rf"(?P<about>[~≈]\s*)?(?P<number>{_NUMBER})\s*(?P<unit>%|[KkMBGT](?![A-Za-z]))?"
    rf"(?:\s*(?:±|\+/-|\+-|\\pm)\s*(?P<spread>{_NUMBER})\s*%?)?"
    rf"(?P<note>\s*[{re.escape(MARKS)}?]+|\s*\([^()]*\)[{re.escape(MARKS)}]*)?"
)


@dataclass(frozen=True)
class Figure:
    """A number with what stood around it.

    ``value`` is scaled ("1.5B" is 1.5e9) but a percentage stays one ("85.6%" is 85.6 with ``unit`` "%").
    ``spread`` is what stood behind ±; ``note`` a footnote sign, a remark in brackets, or "~".
    """

    value: float
    unit: str = ""
    spread: float | None = None
    note: str = ""


@dataclass(frozen=True)
class NoFigure:
    """Why there is none: ``absent`` (a dash: nothing is claimed) or ``unreadable`` (something is, but no one number)."""

    kind: Literal["absent", "unreadable"]
    text: str


def parse(raw: Any) -> Figure | NoFigure:
    """The figure in a cell of a table. Two numbers ("76.2/83.1") and bounds ("<5") are not one figure: never guessed at."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | None):
        return NoFigure("unreadable", str(raw)[:200])
    if raw is None:
        return NoFigure("absent", "")
    if not isinstance(raw, str):
        return _plain_number(raw)
    text = " ".join(raw.translate(_PLAIN).split())
    if text.rstrip(MARKS + " ").lower() in ABSENT:
        return NoFigure("absent", raw[:200])
    match = _FIGURE.fullmatch(text)
    if match is None:
        return NoFigure("unreadable", raw[:200])
    return _figure(match, raw)


def _plain_number(raw: int | float) -> Figure | NoFigure:
    try:
        value = float(raw)
    except OverflowError:  # a whole number of more than 308 digits
        return NoFigure("unreadable", str(raw)[:200])
    return Figure(value) if math.isfinite(value) else NoFigure("unreadable", str(raw))


def _figure(match: re.Match[str], raw: str) -> Figure | NoFigure:
    unit = match["unit"] or ""
    scale = SCALES.get(unit, 1.0)
    value = float(match["number"].replace(",", "")) * scale
    spread = None if match["spread"] is None else abs(float(match["spread"].replace(",", ""))) * scale
    if not math.isfinite(value) or (spread is not None and not math.isfinite(spread)):
        return NoFigure("unreadable", raw[:200])
    note = ("~" if match["about"] else "") + (match["note"] or "").strip()
    return Figure(value, "%" if unit == "%" else "", spread, note)
