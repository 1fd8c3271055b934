"""Leaderboards on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sibao.evaluation.board import Board, Place
from sibao.evaluation.exchange import number_text
from sibao.workflows._compare_words import number
from sibao.workflows.leaderboard import Imported

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MOST_ROWS, MOST_PROBLEMS = 20, 10


def show(tables: Sequence[Board], most: int = 10) -> RenderableType:
    """The first tables, each with its first rows; what is left out is counted."""
    from rich.console import Group
    from rich.text import Text

    if not tables:
        return Text("no results yet: sibao evaluate records them, --import FILE brings in those of others")
    parts: list[RenderableType] = []
    for board in tables[:most]:
        parts.append(_table(board))
        parts += [Text(f"- {words['en']}") for words in (*board.apart, *board.cautions)]
        if len(board.places) > MOST_ROWS:
            parts.append(Text(f"… and {len(board.places) - MOST_ROWS} more rows (--html, --json)"))
        parts.append(Text(""))
    if len(tables) > most:
        parts.append(Text(f"{len(tables) - most} more tables: choose with --task, --suite, --dataset, or see --html"))
    level = f"{tables[0].level:.0%}"
    parts.append(
        Text(f"rank: all ranks that the model could truly have, at {level} for a whole table; ? where nothing says")
    )
    return Group(*parts)


def title(board: Board) -> str:
    """``Question Answering · SQuAD2.0 · F1 (more is better)``."""
    way = {"higher": "more is better", "lower": "less is better", "neither": "neither more nor less is better"}
    task = "" if board.dataset.startswith(board.task) else board.task  # a suite's data are called after it
    names = [part for part in (task, board.dataset, board.subset, board.metric) if part]
    return f"{' · '.join(names)} ({way[board.direction.which]})"


def _table(board: Board) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title(board), title_justify="left")
    for name in ("rank", "model", "value", "interval", "rows", "date", "from"):
        table.add_column(name, justify="right" if name in ("rank", "value", "rows") else "left", overflow="fold")
    for place in board.places[:MOST_ROWS]:
        r = place.entry.result
        rows = "" if r.n is None else f"{r.n}" + (f" (+{place.entry.missing})" if place.entry.missing else "")
        cells = (rank_text(place, board), r.model, value_text(place), interval_text(place), rows, r.date, origin(place))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def rank_text(place: Place, board: Board) -> str:
    """``1``, ``1–3``, ``?`` for unknown, nothing where ranks have no meaning."""
    if board.direction.which == "neither":
        return ""
    if place.ranks is None:
        return "?"
    best, worst = place.ranks.best, place.ranks.worst
    return str(best) if best == worst else f"{best}–{worst}"


def value_text(place: Place) -> str:
    """What was published, else the number in four digits."""
    r = place.entry.result
    return r.shown or (number(r.value) if place.entry.run else number_text(r.value)) + r.unit


def interval_text(place: Place) -> str:
    """Both ends, with the level where it is known; a dash where there is none."""
    r = place.entry.result
    if r.low is None or r.high is None:
        return "–"
    return f"{number(r.low)} … {number(r.high)}" + ("" if r.level is None else f" ({r.level:.0%})")


def origin(place: Place) -> str:
    """The run, or the paper, or the file that a figure is from."""
    r = place.entry.result
    return r.source if place.entry.run else r.title or r.url or r.source.rpartition("/")[2]


def imported(found: Sequence[Imported]) -> list[str]:
    """What was imported and what was not, in lines."""
    lines = []
    for one in found:
        absent = sum(problem.kind == "absent" for problem in one.problems)
        lines.append(f"{one.source}: {one.results} results, {absent} empty cells")
        bad = [problem for problem in one.problems if problem.kind != "absent"]
        lines += [f"  {p.kind}: {p.where}" + (f": {p.text!r}" if p.text else "") for p in bad[:MOST_PROBLEMS]]
        if len(bad) > MOST_PROBLEMS:
            lines.append(f"  … and {len(bad) - MOST_PROBLEMS} more that could not be read (--json lists all)")
    return lines
