"""Reports as one HTML file each: no outside host, sortable and filterable, Chinese and English, light and dark.

Everything that goes into a page passes ``escape``; style and script are our own files, and a content security policy with
their hashes lets nothing else run, whatever a model may have written.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape as _escape
from pathlib import Path

from sibao.core.types import Language

ASSETS = Path(__file__).parent / "assets"
WIDTH, HEIGHT = 200.0, 22.0
"""Of an interval's picture, in units of its own."""


def escape(value: object) -> str:
    """Text for a page: no sign of it is markup. A character that UTF-8 has no bytes for becomes U+FFFD."""
    return _escape(str(value).encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd"), quote=True)


def both(en: str, zh: str) -> str:
    """Words in both languages, of which the page shows one; plain text, not markup."""
    if en == zh:
        return escape(en)
    return f'<span class="en" lang="en">{escape(en)}</span><span class="zh" lang="zh-CN">{escape(zh)}</span>'


def both_ways(tag: str, attributes: str, en: str, zh: str) -> str:
    """The beginning of an element whose accessible name is in both languages."""
    label = f'aria-label="{escape(en)}" data-label-en="{escape(en)}" data-label-zh="{escape(zh)}"'
    return f"<{tag} {attributes} {label}>"


@dataclass(frozen=True)
class Column:
    """A column's title, and how it is sorted at the first press; ``number`` columns stand to the right."""

    en: str
    zh: str
    number: bool = False
    descending: bool = False
    sortable: bool = True


@dataclass(frozen=True)
class Cell:
    """Markup of a cell. ``sort`` is what it is sorted by: a number, a text, or "" for what is not known; None: its text.
    ``kind`` is its class."""

    html: str
    sort: float | str | None = None
    kind: str = ""


@dataclass(frozen=True)
class Line:
    """A row of a table: its cells, the first of which names it, and the state that the page's boxes filter by."""

    cells: Sequence[Cell]
    state: str = ""


def table(columns: Sequence[Column], lines: Sequence[Line], en: str, zh: str, name: str = "", name_zh: str = "") -> str:
    """A table whose columns are sorted by the buttons in their heads; ``en`` and ``zh`` are its caption (empty: none), ``name``
    and ``name_zh`` what a reader that speaks calls it (empty: the caption)."""
    heads = "".join(_head(column) for column in columns)
    body = "\n".join(_line(line, columns) for line in lines)
    region = both_ways("div", 'class="scroll" role="region" tabindex="0"', name or en, name_zh or name or zh)
    caption = f"<caption>{both(en, zh)}</caption>" if en else ""
    return f"{region}<table>{caption}<thead><tr>{heads}</tr></thead>\n<tbody>{body}</tbody></table></div>"


def _head(column: Column) -> str:
    title = both(column.en, column.zh)
    kind = ' class="n"' if column.number else ""
    first = ' data-first="descending"' if column.descending else ""
    inner = f'<button type="button">{title}</button>' if column.sortable else title
    return f'<th scope="col"{kind}{first}>{inner}</th>'


def _line(line: Line, columns: Sequence[Column]) -> str:
    cells = []
    for index, (cell, column) in enumerate(zip(line.cells, columns, strict=True)):
        kind = " ".join(part for part in ("n" if column.number else "", cell.kind) if part)
        attributes = (f' class="{kind}"' if kind else "") + _sort(cell.sort)
        tag = 'th scope="row"' if index == 0 else "td"
        cells.append(f"<{tag}{attributes}>{cell.html}</{tag[:2]}>")
    state = f' data-filter="{escape(line.state)}"' if line.state else ""
    return f"<tr{state}>{''.join(cells)}</tr>"


def _sort(value: float | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, float | int):
        value = "" if math.isnan(value) else repr(float(value))
    return f' data-sort="{escape(value)}"'


@dataclass(frozen=True)
class Axis:
    """The scale that intervals of one table are drawn on."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value stands, in units of the picture."""
        return 4 + (WIDTH - 8) * (value - self.low) / (self.high - self.low)


def axis_of(values: Sequence[float | None]) -> Axis:
    """A scale that holds all values, with a little air."""
    found = [value for value in values if value is not None and math.isfinite(value)]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    air = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return Axis(low - air, high + air)


def interval(value: float, low: float | None, high: float | None, axis: Axis, mark: float | None = None) -> str:
    """A dot at the value and a line over its interval; a dashed line at ``mark`` (chance, or no difference). It repeats what
    the table says in figures, and is hidden from readers that speak."""
    middle = HEIGHT / 2
    parts = [f'<line class="axis" x1="2" x2="{WIDTH - 2:g}" y1="{middle:g}" y2="{middle:g}"/>']
    if mark is not None and axis.low <= mark <= axis.high:
        x = axis.at(mark)
        parts.append(f'<line class="chance" x1="{x:.1f}" x2="{x:.1f}" y1="1" y2="{HEIGHT - 1:g}"/>')
    if low is not None and high is not None:
        ends = f'x1="{axis.at(low):.1f}" x2="{axis.at(high):.1f}"'
        parts.append(f'<line class="span" {ends} y1="{middle:g}" y2="{middle:g}"/>')
    parts.append(f'<circle class="dot" cx="{axis.at(value):.1f}" cy="{middle:g}" r="4"/>')
    return f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" aria-hidden="true">{"".join(parts)}</svg>'


@cache
def _asset(name: str) -> tuple[str, str]:
    """A file of our own, and its hash for the policy."""
    content = (ASSETS / name).read_text(encoding="utf-8")
    return content, base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def page(en: str, zh: str, body: str, language: Language = "en") -> str:
    """The whole page; ``en`` and ``zh`` are its title, ``body`` markup, ``language`` the one that it opens in."""
    (style, style_hash), (script, script_hash) = _asset("page.css"), _asset("page.js")
    policy = f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; base-uri 'none'"
    lang, title = ("zh-CN", zh) if language == "zh" else ("en", en)
    data = f'data-language="{language}" data-title-en="{escape(en)}" data-title-zh="{escape(zh)}"'
    theme = f'<button id="theme" type="button">{both("Light / dark", "浅色／深色")}</button>'
    return f"""<!doctype html>
<html lang="{lang}" {data}>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">{both("To the content", "跳到正文")}</a>
<div class="bar" hidden><button id="language" type="button" lang="">中文 / English</button>{theme}</div>
<main id="main" tabindex="-1">
{body}
</main>
<script>{script}</script>
</body>
</html>
"""
