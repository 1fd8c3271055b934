"""A scorecard for people: tables in the terminal, and a model card in Markdown with ``model-index``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sibao.core.types import Language
from sibao.evaluation.exchange_index import entry
from sibao.evaluation.scorecard import SECTIONS, Cell, Scorecard
from sibao.store.published import Published
from sibao.workflows._scorecard_words import called, number, remarks, shown_interval, shown_value, source_of, word

if TYPE_CHECKING:
    from rich.console import RenderableType


def render(card: Scorecard, language: Language = "en") -> RenderableType:
    """A table for each section."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = f"{word('scorecard', language)} · {card.model} · {card.precision} · {card.machine} · {card.date}"
    parts: list[RenderableType] = [Text(head, style="bold")]
    for section, titles in SECTIONS.items():
        cells = card.section(section)
        if not cells:
            continue
        table = Table(title=titles[language], title_justify="left")
        for name in ("figure", "value", "interval", "rows", "chance", "source"):
            side: Literal["left", "right"] = "right" if name in ("value", "rows", "chance") else "left"
            table.add_column(word(name, language), justify=side, overflow="fold")
        for cell in cells:
            rows = str(cell.n) if cell.n else ""
            table.add_row(
                called(cell, language),
                shown_value(cell),
                shown_interval(cell),
                rows,
                number(cell.chance),
                _source(cell, language),
            )
        parts.append(table)
    return Group(*parts)


def _source(cell: Cell, language: Language) -> str:
    return "; ".join([source_of(cell, language), *remarks(cell, language)])


def markdown(card: Scorecard, language: Language = "en") -> str:
    """A model card: the figures as tables, and as ``model-index`` in the front matter."""
    import yaml

    head = {"model-index": _index(card)}
    lines = ["---", yaml.safe_dump(head, allow_unicode=True, sort_keys=False).strip(), "---", ""]
    lines += [f"# {word('scorecard', language)}: {card.model}", ""]
    lines += [
        f"{word('precision', language)} {card.precision} · {card.machine} · {card.date}",
        "",
        word("legend", language),
        "",
    ]
    for section, titles in SECTIONS.items():
        cells = card.section(section)
        if cells:
            lines += [f"## {titles[language]}", "", *_table(cells, language), ""]
    return "\n".join([*lines, f"{word('made', language)}.", ""])


def _table(cells: list[Cell], language: Language) -> list[str]:
    names = [word(name, language) for name in ("figure", "value", "interval", "rows", "chance", "source")]
    lines = [f"| {' | '.join(names)} |", "|---|--:|---|--:|--:|---|"]
    for cell in cells:
        rows = str(cell.n) if cell.n else ""
        row = (
            called(cell, language), shown_value(cell), shown_interval(cell), rows, number(cell.chance),
            _source(cell, language),
        )  # fmt: skip
        lines.append(f"| {' | '.join(str(value).replace('|', '/') for value in row)} |")
    return lines


def _index(card: Scorecard) -> Any:
    """The measured scores as the hub's ``model-index``, in the entries of ``evaluation.exchange_index``."""
    from huggingface_hub.repocard_data import eval_results_to_model_index

    entries = []
    for cell in card.cells:
        if not cell.signature or not isinstance(cell.value, float):
            continue
        suite, _, name = cell.name.partition(" · ")
        known = Published(
            task=suite, dataset=suite, model=card.model, metric=name, value=cell.value, low=cell.low, high=cell.high,
            level=cell.level, n=cell.n, date=cell.date, signature=cell.signature,
        )  # fmt: skip
        entries.append(entry(known))
    return eval_results_to_model_index(card.model, entries) if entries else []
