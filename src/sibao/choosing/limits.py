"""Hard limits, checked before a model answers anything: who breaks one is out, with the reason and where it is known from.

What nobody knows does not pass a limit (a licence that is not stated is no licence), unless that is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sibao.choosing.cells import Cell, Cells, cell_of
from sibao.core.errors import BadInput

COMMERCIAL = "commercial"
"""In place of a licence: any that lets a company use the model."""
FREE = (
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "unlicense", "mpl-2.0",
    "gpl-3.0", "lgpl-3.0", "agpl-3.0",
)  # fmt: skip
"""Licences that do not ask what the model is used for (they may ask for other things)."""
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_COUNTS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_FLAGS = {"languages": "language", "modalities": "modality"}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


@dataclass(frozen=True)
class Limits:
    """What a model must keep to; None, False and empty set no limit.

    ``budget``: money for a thousand requests, in ``currency``. ``max_latency``: seconds of one request, the median.
    ``max_memory``: bytes on this machine. ``max_parameters``: numbers in the model. ``max_disk``: bytes of its files.
    ``licences``: SPDX names or ``commercial``. ``offline``: answers without a network. ``languages`` and ``modalities`` must
    all be there. ``allow_unknown``: what nobody knows passes.
    """

    budget: float | None = None
    currency: str = "USD"
    max_latency: float | None = None
    max_memory: float | None = None
    max_parameters: float | None = None
    max_disk: float | None = None
    licences: tuple[str, ...] = ()
    offline: bool = False
    languages: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    allow_unknown: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Exclusion:
    """Why a candidate is out: the limit, what it asks, what was found (empty: nobody knows), and where that stands."""

    name: str
    limit: str
    wanted: str
    got: str
    source: str = ""
    date: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "unknown": not self.got}


def check(name: str, cells: Cells, limits: Limits) -> list[Exclusion]:
    """Every limit that a candidate breaks; empty: it may race."""
    found = [_retired(name, cells)] + [_most(name, cells, *rule) for rule in _numbers(limits)]
    found += [_licence(name, cells, limits), _offline(name, cells, limits)]
    found += [_all(name, cells, key, getattr(limits, key)) for key in _FLAGS]
    return [one for one in found if one is not None and (one.got or not limits.allow_unknown)]


def _numbers(limits: Limits) -> list[tuple[str, str, float | None, Callable[[float], str]]]:
    """Limits that are a greatest number: flag, key of the cell, the number, how it is written."""
    money = limits.currency
    return [
        ("budget", "cost", limits.budget, lambda v: f"{v:.4g} {money} / 1000"),
        ("max-latency", "latency", limits.max_latency, lambda v: f"{v:.3g} s"),
        ("max-memory", "memory", limits.max_memory, shown_bytes),
        ("max-size", "parameters", limits.max_parameters, shown_count),
        ("max-size", "disk", limits.max_disk, shown_bytes),
    ]


def _most(
    name: str, cells: Cells, flag: str, key: str, most: float | None, write: Callable[[float], str]
) -> Exclusion | None:
    cell = cell_of(cells, key)
    if most is None or (cell.number is not None and cell.number <= most):
        return None
    return _out(name, flag, f"≤ {write(most)}", "" if cell.number is None else write(cell.number), cell)


def _retired(name: str, cells: Cells) -> Exclusion | None:
    cell = cell_of(cells, "availability")
    return _out(name, "availability", "open, hosted", "retired", cell) if cell.value == "retired" else None


def _licence(name: str, cells: Cells, limits: Limits) -> Exclusion | None:
    if not limits.licences:
        return None
    licence, free = cell_of(cells, "licence"), cell_of(cells, "commercial")
    accepted = {one.lower() for one in limits.licences}
    if str(licence.value).lower() in accepted or (COMMERCIAL in accepted and free.value is True):
        return None
    known = licence.value if accepted != {COMMERCIAL} or free.value is not None else ""
    return _out(name, "licence", ", ".join(limits.licences), str(known or ""), licence)


def _offline(name: str, cells: Cells, limits: Limits) -> Exclusion | None:
    cell = cell_of(cells, "offline")
    if not limits.offline or cell.value is True:
        return None
    return _out(name, "offline", "runs here", "" if cell.value is None else "answers over the network", cell)


def _all(name: str, cells: Cells, key: str, wanted: tuple[str, ...]) -> Exclusion | None:
    cell = cell_of(cells, key)
    there = cell.value if isinstance(cell.value, tuple) else ()
    if set(wanted) <= set(there):
        return None
    return _out(name, _FLAGS[key], ", ".join(wanted), ", ".join(there), cell)


def _out(name: str, limit: str, wanted: str, got: str, cell: Cell) -> Exclusion:
    return Exclusion(name, limit, wanted, got, cell.source, cell.date)


def lets_companies(licence: str) -> bool | None:
    """Whether a licence lets a company use what it covers; None: its text must be read."""
    name = licence.lower()
    return True if name in FREE else False if "-nc" in name else None


def read_bytes(text: str, flag: str) -> float:
    """``4GB``, ``4GiB``, ``512 MB`` or bytes.

    Raises:
        BadInput: nothing of the kind.
    """
    match = _SIZE.fullmatch(text)
    if match is None or match[2].upper() not in _UNITS:
        raise BadInput(f"got {flag} {text!r}, wanted bytes", hint=f"{flag} 4GB, 512MB or 4GiB")
    return float(match[1]) * _UNITS[match[2].upper()]


def read_size(text: str) -> tuple[float | None, float | None]:
    """A ``--max-size``: parameters (``500M``, ``8B``: billions) or bytes on disk (``2GB``, ``2GiB``); the other one is None.

    Raises:
        BadInput: neither of the two.
    """
    match = _SIZE.fullmatch(text)
    if match is not None and match[2].upper() in _COUNTS:
        return float(match[1]) * _COUNTS[match[2].upper()], None
    if match is None or not match[2]:
        raise BadInput(
            f"got --max-size {text!r}, wanted parameters or bytes", hint="--max-size 1B (parameters) or 2GB (on disk)"
        )
    return None, read_bytes(text, "--max-size")


def shown_bytes(value: float) -> str:
    """Bytes for people, in thousands."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value:.0f} B"


def shown_count(value: float) -> str:
    """A number of parameters for people."""
    for unit, scale in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value:.0f}"
