"""A scorecard as one HTML file."""

from __future__ import annotations

import math

from sibao.core.types import Language
from sibao.evaluation import pages
from sibao.evaluation.pages import Column, Line, both, escape, table
from sibao.evaluation.plots import figure
from sibao.evaluation.scorecard import SECTIONS, Cell, Scorecard
from sibao.workflows._scorecard_plot import plots
from sibao.workflows._scorecard_words import WORDS, called, number, remarks, shown_interval, shown_value, source_of

NUMBERS = ("value", "rows", "chance")
COLUMNS = tuple(
    Column(WORDS[name]["en"], WORDS[name]["zh"], number=name in NUMBERS, sortable=name not in ("interval", "source"))
    for name in ("figure", "value", "interval", "rows", "chance", "source")
)


def page(card: Scorecard, language: Language = "en") -> str:
    """The whole page; ``language`` is the one it opens in."""
    names = [f"{WORDS['scorecard'][one]} · {card.model}" for one in ("en", "zh")]
    head = f"{escape(card.precision)} · {escape(card.machine)} · {escape(card.date)}"
    parts = [f"<h1>{both(*names)}</h1>", f'<p class="soft">{_said("precision")} {head}</p>', *_plots(card)]
    parts.append(f'<p class="soft">{_said("legend")}</p>')
    for section, titles in SECTIONS.items():
        cells = card.section(section)
        if cells:
            lines = [_line(cell) for cell in cells]
            parts.append(f"<h2>{both(titles['en'], titles['zh'])}</h2>")
            parts.append(table(COLUMNS, lines, "", "", titles["en"], titles["zh"]))
    return pages.page(names[0], names[1], "\n".join(parts), language)


def _said(name: str) -> str:
    return both(WORDS[name]["en"], WORDS[name]["zh"])


def _plots(card: Scorecard) -> list[str]:
    """Each plot in both languages, of which the page shows one."""
    drawn = {language: plots(card, language) for language in ("en", "zh")}
    titles = {name: WORDS[word] for name, word in (("quality", "quality"), ("bias", "fair"))}
    return [
        f'<div class="{language}">{figure(svg, f"{name}-{language}", titles[name]["en"], titles[name]["zh"])}</div>'
        for name in drawn["en"]
        for language, svg in (("en", drawn["en"][name]), ("zh", drawn["zh"][name]))
    ]


def _line(cell: Cell) -> Line:
    low = math.nan if cell.low is None else cell.low
    return Line((
        pages.Cell(both(called(cell, "en"), called(cell, "zh"))),
        pages.Cell(escape(shown_value(cell)), cell.value),
        pages.Cell(escape(shown_interval(cell)), low, kind="whole"),
        pages.Cell(str(cell.n or ""), cell.n or math.nan),
        pages.Cell(number(cell.chance), math.nan if cell.chance is None else cell.chance),
        pages.Cell(_source(cell), kind="source"),
    ))  # fmt: skip


def _source(cell: Cell) -> str:
    notes = "; ".join(remarks(cell, "en")), "；".join(remarks(cell, "zh"))
    text = both(source_of(cell, "en"), source_of(cell, "zh"))
    text += f' <span class="warn">{both(*notes)}</span>' if any(notes) else ""
    if cell.signature:
        text += f"<details><summary>{_said('how')}</summary><code>{escape(cell.signature)}</code></details>"
    return text
