"""What the catalogue knows of a model, as cells; and what its tokens cost on rows like the user's."""

from __future__ import annotations

from datetime import date

from sibao.choosing.catalogue import Entry
from sibao.choosing.cells import Cell
from sibao.choosing.prices import age_days, is_old, per_thousand
from sibao.core.prices import Price
from sibao.core.types import Usage

HERE = Cell(True, source="its name")
ELSEWHERE = Cell(False, source="its name")


def entry_cells(entry: Entry, today: date | None = None) -> dict[str, Cell]:
    """Cells of a catalogue entry; what it does not say is not there."""
    day, seen = today or date.today(), entry.checked.isoformat() if entry.checked else ""
    over = entry.availability == "retired" or (entry.ends is not None and entry.ends <= day)
    state = "retired" if over else entry.availability
    note = "" if entry.ends is None else f"{'ended' if entry.ends <= day else 'ends'} {entry.ends.isoformat()}"
    values = {
        "licence": entry.licence or None, "commercial": entry.commercial, "parameters": entry.parameters,
        "context": entry.context, "languages": entry.languages or None, "modalities": entry.modalities or None,
    }  # fmt: skip
    cells = {key: Cell(value, source=entry.source, date=seen) for key, value in values.items() if value is not None}
    cells["availability"] = Cell(state, source=entry.source, date=seen, note=note)
    cells["offline"] = ELSEWHERE if entry.remote else HERE
    if entry.remote:  # it takes none of this machine's memory or disk
        cells |= {key: Cell(0, "bytes", "answers over the network") for key in ("memory", "disk")}
    return cells


def cost_cell(price: Price | None, usage: Usage, requests: int, currency: str, today: date | None = None) -> Cell:
    """Money for a thousand requests like those that took ``usage``; unknown without a price, or in another currency."""
    unit = f"{currency} / 1000 requests"
    if price is None or requests < 1:
        return Cell(None, unit, "nobody says what it costs")
    if price.abroad(currency):
        return Cell(None, unit, price.source, price.date, note=f"the price is in {price.currency}")
    note = f"the price was read {age_days(price, today)} days ago" if is_old(price, today) else ""
    source = price.source or "runs here: no money for a token"
    return Cell(per_thousand(price, usage, requests), unit, source, price.date, "measured", note=note)


def price_words(price: Price | None, today: date | None = None) -> str:
    """A price in a line: ``0.1 / 0.5 USD (2026-09-22)``; the age where it is old; a dash where there is none."""
    if price is None:
        return "–"
    age = f", {age_days(price, today)} d" if is_old(price, today) else ""
    return f"{price.input_per_million:g} / {price.output_per_million:g} {price.currency} ({price.date or 'yours'}{age})"
