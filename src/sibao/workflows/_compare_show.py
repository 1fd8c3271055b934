"""A comparison of two runs on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sibao.evaluation.changes import RowChange
from sibao.evaluation.subject import labelled
from sibao.workflows._compare_words import chance_of, number, p_text, remarks, score_text, step_text
from sibao.workflows.compare import Compared

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

CLIP = 160
"""Characters of a text that a cell shows; the report shows all of it."""


def show(found: Compared, rows: int = 10) -> RenderableType:
    """Metrics with their verdicts, what to know about them, and the first rows that changed."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [
        Text(f"{found.subject.described}, {len(found.rows)} rows in both runs"),
        Text(f"  first   {found.first.id}  {labelled(found.first.model, found.first.recipe)}"),
        Text(f"  second  {found.second.id}  {labelled(found.second.model, found.second.recipe)}"),
        metrics(found),
    ]
    parts += [Text(f"- {words['en']}") for words in (*found.notes, *remarks(found.metrics))]
    tally = ", ".join(f"{count} {state}" for state, count in found.counts.items())
    parts.append(Text(f"rows by {found.main}: {tally}"))
    changed = [one for state in ("lost", "gained") for one in found.rows if one.state == state]
    if changed and rows:
        parts.append(changes(found, changed[:rows]))
        if len(changed) > rows:
            parts.append(Text(f"… and {len(changed) - rows} more; --rows shows more of them, --html FILE all rows"))
    return Group(*parts)


def metrics(found: Compared) -> Table:
    """One line for each metric."""
    from rich.table import Table

    table = Table(title="second against first, paired by row", title_justify="left")
    for name in ("metric", "first", "second", "difference", "95 % interval", "p (Holm)", "chance", "verdict"):
        table.add_column(name, justify="left" if name in ("metric", "verdict") else "right", overflow="fold")
    for one in found.metrics:
        c = one.comparison
        interval = f"{number(c.low)} … {number(c.high)}"
        table.add_row(
            one.metric, score_text(one.first), score_text(one.second), step_text(c.difference), interval,
            p_text(one.adjusted), number(chance_of(one)), one.verdict,
        )  # fmt: skip
    return table


def changes(found: Compared, rows: list[RowChange]) -> Table:
    """Rows with their texts, clipped."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="rows that changed, lost ones first", title_justify="left", show_lines=True)
    asked = bool(found.questions)
    for name in ("row", "", *(("question",) if asked else ()), "wanted", "first", "second"):
        table.add_column(name, overflow="fold")
    for change in rows:
        a, b = change.pair.first, change.pair.second
        texts = [found.questions.get(a.row, "")] if asked else []
        texts += [" | ".join(a.references), _answer(a.prediction, change.first), _answer(b.prediction, change.second)]
        table.add_row(str(a.row), change.state, *(Text(clip(text)) for text in texts))
    return table


def clip(text: str) -> str:
    """The text on one line; where it is long, its beginning and (what is asked stands there) its end."""
    flat = " ".join(text.split())
    return flat if len(flat) <= CLIP else f"{flat[: CLIP // 2]} … {flat[-CLIP // 2 :]}"


def _answer(text: str | None, value: float | None) -> str:
    shown = "" if value is None or value in (0.0, 1.0) else f" [{number(value)}]"
    return (text or "(empty)") + shown
