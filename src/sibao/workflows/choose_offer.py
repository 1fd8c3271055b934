"""The models that a choice may be made among, by names that hold no path: the catalogue's, and those trained here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sibao.choosing.catalogue import Entry, catalogue
from sibao.core.paths import runs_dir
from sibao.providers.load import local_name
from sibao.store.runs import Run, list_runs
from sibao.workflows._choose_cells import is_here
from sibao.workflows._run import MODEL
from sibao.workflows.run_control import TRAINED

RUN = "run:"
"""Before a run's id: the model that it made."""


@dataclass(frozen=True)
class Offer:
    """One model. ``loads`` is the name that it is loaded by, which may be a path and is shown to nobody."""

    name: str
    origin: Literal["catalogue", "run", "served"]
    loads: str
    about: str = ""
    here: bool = True
    remote: bool = False
    tasks: tuple[str, ...] = ()
    parameters: int | None = None
    licence: str = ""


def offers(served: Mapping[str, str] | None = None) -> list[Offer]:
    """Models of this machine first, then those that answer over the network, then the rest.

    Args:
        served: names that the asking program has besides, and what each is loaded by.
    """
    found = {entry.name: _of_entry(entry) for entry in catalogue() if entry.availability != "retired"}
    found |= {name: _served(name, loads) for name, loads in (served or {}).items() if name not in found}
    found |= {offer.name: offer for offer in map(_of_run, _trained()) if offer is not None}
    return sorted(found.values(), key=lambda one: (not one.here, not one.remote))


def _of_entry(entry: Entry) -> Offer:
    here = not entry.remote and is_here(entry.name)
    return Offer(
        entry.name, "catalogue", entry.name, entry.maker, here, entry.remote, tuple(entry.tasks), entry.parameters,
        entry.licence,
    )  # fmt: skip


def _served(name: str, loads: str) -> Offer:
    here = local_name(loads) is not None or loads.startswith("mock:")
    return Offer(name, "served", loads, here=here, remote=not here)


def _trained() -> list[Run]:
    return [run for kind in TRAINED for run in list_runs(kind, status="done", limit=50)]


def _of_run(run: Run) -> Offer | None:
    """The model or adapter of a finished run; None where it has been moved away."""
    folder: Path = runs_dir() / run.id / MODEL
    if (folder / "adapter_config.json").is_file():
        return Offer(f"{RUN}{run.id}", "run", f"{run.model}+{folder}", run.model)
    if (folder / "config.json").is_file():
        return Offer(f"{RUN}{run.id}", "run", str(folder), run.model)
    return None
