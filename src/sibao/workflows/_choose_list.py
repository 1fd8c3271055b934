"""The catalogue as people and programs see it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from sibao.choosing.catalogue import Entry, catalogue
from sibao.choosing.facts import entry_cells, price_words
from sibao.choosing.limits import shown_count

if TYPE_CHECKING:
    from rich.console import RenderableType


def catalogue_json() -> list[dict[str, Any]]:
    """Every entry with all that is known of it; ``price_row`` as ``price``."""
    return [entry.model_dump(mode="json", by_alias=True) for entry in catalogue()]


def catalogue_table(today: date | None = None) -> RenderableType:
    """Every entry in a line."""
    from rich.table import Table

    table = Table(title="catalogue", title_justify="left")
    table.add_column("model", overflow="fold", min_width=24)
    for name in ("parameters", "context", "licence", "languages", "state, price of a million tokens read / written"):
        table.add_column(name, overflow="fold")
    for e in catalogue():
        size = shown_count(e.parameters) if e.parameters else "–"
        active = f" ({shown_count(e.active)} active)" if e.active else ""
        table.add_row(
            e.name, size + active, f"{e.context:,}" if e.context else "–", e.licence or "–", " ".join(e.languages) or "–",
            ", ".join(_state(e, today)),
        )  # fmt: skip
    return table


def _state(entry: Entry, today: date | None) -> list[str]:
    cell = entry_cells(entry, today)["availability"]
    parts = [str(cell.value), cell.note, price_words(entry.price, today) if entry.price else ""]
    return [part for part in (*parts, f"→ {entry.successor}" if entry.successor else "") if part]
