"""What a choice looks like on a terminal: who raced, who was out, the pick with its reasons, and where figures come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sibao.choosing.cells import Cells, cell_of
from sibao.workflows._choose_result import Choice
from sibao.workflows._choose_words import COLUMNS, percent, shown, word

if TYPE_CHECKING:
    from rich.console import RenderableType


def show(choice: Choice) -> RenderableType:
    """All of it."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for section in choice.advice:
        parts += [Text(section.question, style="bold"), *(Text(f"  {line}") for line in section.lines)]
    if choice.table:
        parts.append(race_table(choice))
    if choice.excluded:
        parts.append(exclusion_table(choice))
    if choice.race is not None:
        parts.append(source_table(choice))
    parts += [Text(line, style="bold" if number == 0 else "") for number, line in enumerate(reasons(choice))]
    return Group(*parts)


def title(choice: Choice) -> str:
    """The first line."""
    name = "title" if choice.run else "title_advice"
    return word(name, choice.language).format(task=choice.need.task, metric=choice.metric, run=choice.run)


def columns(choice: Choice) -> list[str]:
    """The figures that are known of anybody."""
    both = {**choice.table, **choice.others}
    return [key for key in COLUMNS if any(cell_of(cells, key).number is not None for cells in both.values())]


def race_table(choice: Choice) -> Any:
    """One line for each candidate: figures, licence, and how its race went."""
    from rich.table import Table

    table, keys = Table(title=title(choice), title_justify="left"), columns(choice)
    table.add_column(word("model", choice.language), overflow="fold")
    for key in keys:
        table.add_column(word(key, choice.language), justify="right")
    table.add_column(word("licence", choice.language), overflow="fold")
    table.add_column("", overflow="fold")
    for name, cells in choice.table.items():
        marked = f"→ {name}" if name == choice.pick.name else name
        table.add_row(marked, *figures(cells, keys), shown("licence", cell_of(cells, "licence")), state(choice, name))
    return table


def figures(cells: Cells, keys: list[str]) -> list[str]:
    """The cells as text; an estimate has a tilde."""
    found = []
    for key in keys:
        cell = cell_of(cells, key)
        text = shown(key, cell)
        found.append(f"~{text}" if cell.kind == "estimated" and text != "–" else text)
    return found


def state(choice: Choice, name: str) -> str:
    """How a candidate's race went."""
    on_front = name in choice.pick.front
    lane = None if choice.race is None else choice.race.lane(name)
    if lane is None:
        return word("front", choice.language) if on_front else ""
    if lane.beaten is None:
        return word("stays_front" if on_front else "stays", choice.language)
    said = word("dropped", choice.language).format(**lane.beaten.__dict__)
    return f"{said} · {word('front', choice.language)}" if on_front else said


def exclusion_table(choice: Choice) -> Any:
    """Who is out, and why."""
    from rich.table import Table

    table = Table(title=word("out", choice.language), title_justify="left")
    for name in ("model", "limit", "wanted", "got", "source"):
        table.add_column(word(name, choice.language), overflow="fold")
    for one in choice.excluded:
        source = f"{one.source}, {one.date}" if one.date else one.source
        table.add_row(one.name, one.limit, one.wanted, one.got or word("unknown", choice.language), source)
    return table


def source_table(choice: Choice) -> Any:
    """Each figure's source and date, once where several models share them."""
    from rich.table import Table

    table = Table(title=word("sources", choice.language), title_justify="left", box=None)
    for name in ("fact", "model", "source", "date"):
        table.add_column(word(name, choice.language), overflow="fold")
    seen: dict[tuple[str, str, str], list[str]] = {}
    for name, cells in choice.table.items():
        for key in (*columns(choice), "licence"):
            cell = cell_of(cells, key)
            if cell.value is not None:
                note = f" ({cell.note})" if cell.note else ""
                seen.setdefault((key, cell.source + note, cell.date), []).append(name)
    for (key, source, day), names in seen.items():
        table.add_row(word(key, choice.language), ", ".join(names), source, day)
    return table


def reasons(choice: Choice) -> list[str]:
    """The pick, why, how sure, how the race ended, and how weights would change it."""
    pick, language, race = choice.pick, choice.language, choice.race
    if pick.name is None:
        raced = choice.excluded and not choice.table
        return [word("no_pick" if raced else "no_race", language)]
    lines = [word("pick", language).format(name=pick.name), why(choice)]
    if pick.unused:
        lines.append(word("unused", language).format(keys=", ".join(word(k, language) for k in pick.unused)))
    if race is not None:
        ended = {"rows": "ended_rows", "budget": "ended_budget", "one left": "ended_one"}[race.stopped]
        lines.append(word(ended, language).format(rows=len(race.order)))
        share = race.tokens / race.full_tokens if race.full_tokens else 1.0
        lines.append(word("tokens", language).format(tokens=race.tokens, share=share, full=race.full_tokens))
        for lane in race.lanes:
            if lane.missing:
                lines.append(word("missing", language).format(name=lane.name, missing=lane.missing, asked=lane.asked))
    return lines + moved(choice)


def why(choice: Choice) -> str:
    """What decided."""
    pick, language = choice.pick, choice.language
    weights = ", ".join(f"{word(key, language)} {percent(share)}" for key, share in pick.weights.items())
    if pick.by == "race":
        sure = percent(1 - choice.race.plan.delta) if choice.race is not None else ""
        return word("by_race", language).format(sure=sure)
    if pick.by == "only one left":
        return word("by_one", language)
    name = "by_all" if "quality" in pick.weights else "by_weights" if weights else "by_measure"
    return word(name, language).format(rivals=", ".join(pick.rivals), weights=weights)


def moved(choice: Choice) -> list[str]:
    """Who would be the pick along each weight."""
    lines = []
    for key, spans in choice.pick.spans.items():
        if not spans:
            continue
        told = ", ".join(f"{percent(s.low)}–{percent(s.high)} {s.name}" for s in spans)
        if len(spans) == 1:
            told = word("always", choice.language).format(name=spans[0].name)
        lines.append(word("spans", choice.language).format(key=word(key, choice.language), spans=told))
    return lines
