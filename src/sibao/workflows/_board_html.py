"""Leaderboards as one HTML file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from sibao.core.paths import write_text
from sibao.core.types import Language
from sibao.evaluation.board import Board, Place
from sibao.evaluation.pages import Axis, Cell, Column, Line, axis_of, both, escape, interval, page, table
from sibao.workflows._board_show import interval_text, origin, rank_text, title, value_text

COLUMNS = (
    Column("model", "模型"),
    Column("could be rank", "可能的名次", number=True),
    Column("value", "数值", number=True, descending=True),
    Column("interval", "区间"),
    Column("rows", "行数", number=True, descending=True),
    Column("date", "日期", descending=True),
    Column("from", "出处"),
)
_WAYS = {"higher": "越高越好", "lower": "越低越好", "neither": "高低都不说明好坏"}


def page_of(tables: Sequence[Board], language: Language = "en") -> str:
    """The whole page."""
    names = "Leaderboard", "排行榜"
    body = [f"<h1>{both(*names)}</h1>", _explained(tables)]
    if tables:
        body.append(
            f'<div class="filters" hidden><label>{both("Find tables", "查找榜单")} <input type="search" id="search" '
            f'data-placeholder-en="task, dataset, model …" data-placeholder-zh="任务、数据集、模型……"></label>'
            f'<span class="soft" id="shown" role="status" aria-live="polite"></span></div>'
        )
    body += [_section(board) for board in tables]
    return page(*names, "\n".join(body), language)


def write_page(tables: Sequence[Board], target: str | Path, language: Language = "en") -> Path:
    """Write the page; gives its path."""
    write_text(Path(target), page_of(tables, language))
    return Path(target)


def _explained(tables: Sequence[Board]) -> str:
    if not tables:
        return f"<p>{both('No results yet.', '还没有结果。')}</p>"
    level = f"{tables[0].level:.0%}"
    en = (
        f"Ranks are ranges: every rank that a model could truly have, at {level} for a whole table at once. They come from "
        "paired tests of the rows where both evaluations are recorded here, else from both intervals, adjusted by Holm. "
        "Unknown: no interval, so nothing says. Figures share a table only if they were made the same way."
    )
    zh = (
        f"名次是范围：在整张表一并成立的 {level} 置信水平下，该模型可能的全部名次。两次评测的逐行记录都在这里时用成对检验，"
        "否则用双方的区间，并按 Holm 法校正。未知：没有区间，无从得知。得来方式相同的数才放在同一张表里。"
    )
    return f'<p class="soft">{both(en, zh)}</p>'


def _section(board: Board) -> str:
    heading = title(board).rpartition(" (")[0]
    notes = "".join(f"<li>{both(w['en'], w['zh'])}</li>" for w in (*board.apart, *board.cautions))
    how = (
        f"<details><summary>{both('how it was made', '得来的方式')}</summary><code>{escape(board.how)}</code></details>"
    )
    axis = axis_of([v for p in board.places for v in (p.entry.result.value, p.entry.result.low, p.entry.result.high)])
    lines = [_line(place, board, axis) for place in board.places]
    return (
        f'<section data-filter="table"><h2>{escape(heading)}</h2>'
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
        + table(COLUMNS, lines, *_caption(board), heading)
        + (how if board.how else "")
        + "</section>"
    )


def _caption(board: Board) -> tuple[str, str]:
    en, zh = title(board).rpartition("(")[2].rstrip(")"), _WAYS[board.direction.which]
    if any(place.entry.chance is not None for place in board.places):
        return f"{en}; dashed: what guessing gives", f"{zh}；虚线处为瞎猜的水平"
    return en, zh


def _line(place: Place, board: Board, axis: Axis) -> Line:
    r, ranks = place.entry.result, place.ranks
    chance = place.entry.chance
    drawn = interval(r.value, r.low, r.high, axis, mark=chance)
    rank = escape(rank_text(place, board))
    if ranks is None and board.direction.which != "neither":
        rank = f'<span class="soft">{both("unknown", "未知")}</span>'
    elif ranks is not None and ranks.could_be_first:
        rank = f'<span class="good verdict">{rank}</span>'
    rows = "" if r.n is None else str(r.n) + (f" (+{place.entry.missing})" if place.entry.missing else "")
    return Line((
        Cell(escape(r.model) + (f' <span class="soft">{escape(r.note)}</span>' if r.note else ""), r.model),
        Cell(rank, math.nan if ranks is None else ranks.best + ranks.worst / 1e6),
        Cell(escape(value_text(place)), r.value),
        Cell(drawn + escape(interval_text(place)), math.nan if r.low is None else r.low),
        Cell(rows, math.nan if r.n is None else r.n),
        Cell(escape(r.date), r.date, "date"),
        Cell(_origin(place)),
    ))  # fmt: skip


def _origin(place: Place) -> str:
    """Where a figure is from; a link only to the web, never to another scheme."""
    r, text = place.entry.result, escape(origin(place))
    if r.url.startswith(("https://", "http://")):
        return f'<a href="{escape(r.url)}" rel="noopener noreferrer">{text}</a>'
    return text
