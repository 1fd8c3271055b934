"""What a choice looks like on a terminal: who raced, who was out, the pick with its reasons, and where figures come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sibao.choosing.cells import Cells, cell_of
from sibao.workflows._choose_result import Choice
from sibao.workflows._choose_words import COLUMNS, percent, short, shown, word

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
    """One column for each candidate, which fits a narrow terminal: figures, licence, and how its race went."""
    from rich.table import Table

    table, called = Table(title=title(choice), title_justify="left"), short(choice.table)
    table.add_column("")
    for name in choice.table:
        shown_name = f"→ {called[name]}" if name == choice.pick.name else called[name]
        table.add_column(shown_name, justify="right", overflow="fold")
    for key in columns(choice):
        table.add_row(word(key, choice.language), *(figure(key, cells) for cells in choice.table.values()))
    licences = [shown("licence", cell_of(cells, "licence")) for cells in choice.table.values()]
    table.add_row(word("licence", choice.language), *licences)
    table.add_row("", *(state(choice, name) for name in choice.table))
    return table


def figure(key: str, cells: Cells) -> str:
    """A cell as text; an estimate has a tilde."""
    cell = cell_of(cells, key)
    text = shown(key, cell)
    return f"~{text}" if cell.kind == "estimated" and text != "–" else text


def state(choice: Choice, name: str) -> str:
    """How a candidate's race went."""
    on_front = name in choice.pick.front
    lane = None if choice.race is None else choice.race.lane(name)
    if lane is None:
        return word("front", choice.language) if on_front else ""
    if lane.beaten is None:
        return word("stays_front" if on_front else "stays", choice.language)
    beaten = {**lane.beaten.__dict__, "winner": short(choice.table)[lane.beaten.winner]}
    said = word("dropped", choice.language).format(**beaten)
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
    called = short(choice.table)
    for (key, source, day), names in seen.items():
        everyone = len(names) == len(choice.table)
        who = word("all", choice.language) if everyone else joined([called[name] for name in names], choice)
        table.add_row(word(key, choice.language), who, source, day)
    return table


def joined(names: Sequence[str], choice: Choice) -> str:
    """A list of names as the language writes it."""
    return word("and", choice.language).join(names)


def reasons(choice: Choice) -> list[str]:
    """The pick, why, how sure, how the race ended, and how weights would change it."""
    pick, language, race = choice.pick, choice.language, choice.race
    if pick.name is None:
        if choice.advice and not choice.table and not choice.excluded:
            return []
        raced = choice.excluded and not choice.table
        return [word("no_pick" if raced else "no_race", language)]
    lines = [word("pick", language).format(name=pick.name), why(choice)]
    if pick.unused:
        lines.append(word("unused", language).format(keys=joined([word(k, language) for k in pick.unused], choice)))
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
    weights = joined([f"{word(key, language)} {percent(share)}" for key, share in pick.weights.items()], choice)
    if pick.by == "race":
        sure = percent(1 - choice.race.plan.delta) if choice.race is not None else ""
        return word("by_race", language).format(sure=sure)
    if pick.by == "only one left":
        return word("by_one", language)
    name = "by_all" if "quality" in pick.weights else "by_weights" if weights else "by_measure"
    called = short(choice.table)
    return word(name, language).format(rivals=joined([called[one] for one in pick.rivals], choice), weights=weights)


def moved(choice: Choice) -> list[str]:
    """Who would be the pick along each weight."""
    lines, called, language = [], short(choice.table), choice.language
    steady: dict[str, list[str]] = {}
    for key, spans in choice.pick.spans.items():
        if len(spans) == 1:
            steady.setdefault(spans[0].name, []).append(word(key, language))
        elif spans:
            told = joined([f"{100 * s.low:.0f}–{percent(s.high)} {called[s.name]}" for s in spans], choice)
            lines.append(word("spans", language).format(key=word(key, language), spans=told))
    for name, keys in steady.items():
        lines.append(word("always", language).format(name=called[name], keys=joined(keys, choice)))
    return lines
