"""A choice as one HTML file: tables, plot and reasons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from sibao.choosing.cells import Cells, cell_of
from sibao.core.errors import MissingPackage
from sibao.evaluation import pages
from sibao.evaluation.pages import Cell, Column, Line, both, escape, table
from sibao.evaluation.plots import figure as drawn_in
from sibao.workflows._choose_plot import svg
from sibao.workflows._choose_result import Choice
from sibao.workflows._choose_show import columns, figure, reasons, state, title
from sibao.workflows._choose_words import shown, word


def page(choice: Choice) -> str:
    """The whole page; it opens in the choice's language."""
    body = [f"<h1>{_said(choice, title)}</h1>", *_reasons(choice), _plot(choice)]
    body += [_candidates(choice)] if choice.table else []
    body += [f"<h2>{_word('out')}</h2>", _excluded(choice)] if choice.excluded else []
    body += [f"<h2>{_word('sources')}</h2>", _sources(choice)] if choice.table else []
    for section in choice.advice:
        lines = "".join(f"<li>{escape(line)}</li>" for line in section.lines)
        body.append(f"<h2>{escape(section.question)}</h2><ul>{lines}</ul>")
    return pages.page(*_in_both(choice, title), "\n".join(body), choice.language)


def _in_both(choice: Choice, say: Callable[[Choice], str]) -> tuple[str, str]:
    """What is said of a choice in English and in Chinese."""
    return say(replace(choice, language="en")), say(replace(choice, language="zh"))


def _said(choice: Choice, say: Callable[[Choice], str]) -> str:
    return both(*_in_both(choice, say))


def _word(name: str) -> str:
    return both(word(name, "en"), word(name, "zh"))


def _column(name: str, *, number: bool = False) -> Column:
    return Column(word(name, "en"), word(name, "zh"), number=number, sortable=name != "state")


def _reasons(choice: Choice) -> list[str]:
    en, zh = (reasons(replace(choice, language=language)) for language in ("en", "zh"))
    return [f"<p>{both(*lines)}</p>" for lines in zip(en, zh, strict=True)]


def _plot(choice: Choice) -> str:
    try:
        drawn = {language: svg(choice.table, choice.pick.front, language) for language in ("en", "zh")}
    except MissingPackage:  # the page says all in its tables
        return ""
    names = word("front", "en"), word("front", "zh")
    return "".join(
        f'<div class="{language}">{drawn_in(one, f"plot-{language}", *names)}</div>'
        for language, one in drawn.items()
        if one
    )


def _candidates(choice: Choice) -> str:
    keys = columns(choice)
    heads = [_column("model"), *(_column(key, number=True) for key in keys), _column("licence"), _column("state")]
    lines = [_candidate(choice, keys, name, cells) for name, cells in choice.table.items()]
    return table(heads, lines, "", "", *_in_both(choice, title))


def _candidate(choice: Choice, keys: Sequence[str], name: str, cells: Cells) -> Line:
    numbers = [Cell(escape(figure(key, cells)), _number(cells, key)) for key in keys]
    ran = _said(choice, lambda one: state(one, name))
    first = Cell(escape(name), kind="good" if name == choice.pick.name else "")
    return Line([first, *numbers, Cell(escape(shown("licence", cell_of(cells, "licence")))), Cell(ran)])


def _number(cells: Cells, key: str) -> float:
    number = cell_of(cells, key).number
    return math.nan if number is None else number


def _excluded(choice: Choice) -> str:
    lines = [
        Line([
            Cell(escape(x.name)), Cell(escape(x.limit)), Cell(escape(x.wanted)),
            Cell(escape(x.got) if x.got else _word("unknown")), Cell(escape(x.source)), Cell(escape(x.date), kind="date"),
        ])
        for x in choice.excluded
    ]  # fmt: skip
    heads = [_column(name) for name in ("model", "limit", "wanted", "got", "source", "date")]
    return table(heads, lines, "", "", word("out", "en"), word("out", "zh"))


def _sources(choice: Choice) -> str:
    lines = []
    for name, cells in choice.table.items():
        for key in (*columns(choice), "licence"):
            cell = cell_of(cells, key)
            if cell.value is not None:
                note = f" ({cell.note})" if cell.note else ""
                source = Cell(escape(cell.source + note))
                lines.append(Line([Cell(escape(name)), Cell(_word(key)), source, Cell(escape(cell.date), kind="date")]))
    heads = [_column(name) for name in ("model", "fact", "source", "date")]
    return table(heads, lines, "", "", word("sources", "en"), word("sources", "zh"))
