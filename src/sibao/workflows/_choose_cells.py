"""What is known of a candidate before it answers: its own files, its card, the catalogue; and what it needs in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sibao.choosing.catalogue import Catalogue, Entry
from sibao.choosing.cells import Cell, Cells, cell_of
from sibao.choosing.facts import ELSEWHERE, HERE, entry_cells
from sibao.choosing.limits import Exclusion, Limits, check, lets_companies, shown_bytes
from sibao.core.config import settings
from sibao.core.errors import BadInput, ModelError, ProviderError, SibaoError
from sibao.core.prices import Price
from sibao.providers.load import local_name, place_of

CONTEXT = 2048
"""Tokens of a request that memory is counted for, or as many as the model holds."""


@dataclass(frozen=True)
class Candidate:
    """A model in one precision. ``price`` overrides the catalogue's; ``called`` is shown in place of ``name``."""

    name: str
    precision: str = "auto"
    price: Price | None = None
    called: str = ""

    @property
    def label(self) -> str:
        """What it is called in tables: precision is an option, never part of a name."""
        called = self.called or self.name
        return called if self.precision == "auto" else f"{called} ({self.precision})"


def known_cells(candidate: Candidate, catalogue: Catalogue) -> dict[str, Cell]:
    """Cells of a candidate from files and catalogue. Nothing is loaded but a config.json.

    Raises:
        BadInput, ModelError: a model of this machine that is not there.
    """
    entry = catalogue.find(candidate.name)
    cells = entry_cells(entry) if entry is not None else {}
    if (folder := local_name(candidate.name)) is not None:
        return {**cells, **_own(candidate, folder, entry)}
    place = None if candidate.name.startswith("mock:") else place_of(candidate.name)
    return {"offline": HERE if place is None or place.here else ELSEWHERE, **cells}


def _own(candidate: Candidate, name: str, entry: Entry | None) -> dict[str, Cell]:
    from sibao.models.names import resolve
    from sibao.workflows._model_facts import facts_of

    found = facts_of(candidate.name, None)
    folder = resolve(name).folder
    source = f"{folder.name}/config.json"
    values: dict[str, tuple[Any, str, str]] = {
        "parameters": (found.parameters, "", source), "context": (found.context, "tokens", source),
        "disk": (found.bytes, "bytes", f"{folder.name}: size of its weight files"),
        "licence": (found.licence or None, "", f"{folder.name}/README.md"),
        "commercial": (lets_companies(found.licence) if found.licence else None, "", f"{folder.name}/README.md"),
        "languages": (found.languages or None, "", f"{folder.name}/README.md"),
    }  # fmt: skip
    cells = {key: Cell(value, unit, where) for key, (value, unit, where) in values.items() if value is not None}
    if found.family and (entry is None or not entry.modalities):
        cells["modalities"] = Cell(("text",), source=source)
    memory = memory_cell(folder, candidate.precision)
    return {**cells, "offline": HERE, **({"memory": memory} if memory is not None else {})}


def memory_cell(folder: Path, precision: str) -> Cell | None:
    """What ``sibao fit`` predicts for one request; None for a model that it cannot count."""
    from sibao.choosing.fit import answering
    from sibao.choosing.machine import base_bytes
    from sibao.choosing.shapes import read_shape
    from sibao.models.folder import quantized_form, read_config
    from sibao.providers._precision import SMALL

    try:
        shape = read_shape(*read_config(folder))
    except SibaoError:
        return None
    if precision == "auto":
        precision = quantized_form(folder) or ("fp32" if shape.parameters <= SMALL else "bf16")
    context = min(CONTEXT, shape.context or CONTEXT)
    need = answering(shape, "bf16" if precision == "fp16" else precision, context, 1, base_bytes()["inference"])
    return Cell(need.total, "bytes", f"sibao fit: one request of {context} tokens in {precision}", kind="estimated")


def limited(
    candidates: Sequence[Candidate], limits: Limits, known: Catalogue
) -> tuple[dict[str, Cells], dict[str, Cells], list[Exclusion]]:
    """Cells of those that keep the limits, of those that do not, and why not. What the catalogue alone rules out is not
    looked at further, so that no file is fetched for it.

    Raises:
        BadInput: a candidate that stands twice, or is not there.
    """
    table: dict[str, Cells] = {}
    others: dict[str, Cells] = {}
    excluded: list[Exclusion] = []
    for candidate in candidates:
        if candidate.label in table or candidate.label in others:
            raise BadInput(
                f"{candidate.label} stands twice among the models", hint="name each once, or in two precisions"
            )
        entry = known.find(candidate.name)
        cells: Cells = entry_cells(entry) if entry is not None else {}
        out = [one for one in check(candidate.label, cells, limits) if one.got] if entry is not None else []
        if not out:
            try:
                cells = known_cells(candidate, known)
                out = check(candidate.label, cells, limits)
            except (ModelError, ProviderError) as error:
                out = [closed(candidate, error)]
        (others if out else table)[candidate.label] = cells
        excluded += out
    return table, others, excluded


def closed(candidate: Candidate, error: SibaoError) -> Exclusion:
    """A candidate that cannot be opened, with the reason."""
    return Exclusion(candidate.label, "opens", "a model that can be opened", error.message, candidate.name)


def suggestions(known: Catalogue, task: str) -> tuple[Candidate, ...]:
    """The catalogue's models for a task whose files are on this machine.

    Raises:
        BadInput: fewer than two.
    """
    found = tuple(Candidate(e.name) for e in known if task in e.tasks and not e.remote and is_here(e.name))
    if len(found) < 2:
        here = ", ".join(c.name for c in found) or "none"
        raise BadInput(f"a choice needs two models or more; on this machine are {here}", hint="name them with --model")
    return found


def is_here(name: str) -> bool:
    """Whether a model of the catalogue can be opened without a network."""
    from huggingface_hub import try_to_load_from_cache

    from sibao.models.names import MINI

    if name == "mini":
        return (MINI / "config.json").is_file()
    return isinstance(try_to_load_from_cache(name, "config.json"), str)


def refuse_crowd(table: Mapping[str, Cells]) -> None:
    """All candidates are open at once during a race.

    Raises:
        BadInput: together they need more memory than is free.
    """
    from sibao.choosing.machine import base_bytes, look

    needs = [number for cells in table.values() if (number := cell_of(cells, "memory").number)]
    if len(needs) < 2:
        return
    together, free = sum(needs) - (len(needs) - 1) * base_bytes()["inference"], look(settings().home).available
    if together > free:
        raise BadInput(
            f"the models need {shown_bytes(together)} together, {shown_bytes(free)} is free",
            hint="race fewer at once, or --max-memory",
        )
