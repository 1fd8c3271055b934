"""A model opened for measuring: its answers kept, its cost counted and limited, its work spread over processes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from sibao import __version__
from sibao.core.errors import BadInput, SibaoError
from sibao.core.paths import stamp
from sibao.core.prices import Price
from sibao.core.types import Model, Usage
from sibao.evaluation.budget import Metered, Purse, metered
from sibao.evaluation.cached import Cached, cached
from sibao.providers.load import load, local_name, place_of

FREE = Price(0.0, 0.0)
"""What runs on one's own machine costs no money a token; its energy is measured instead."""


@dataclass(frozen=True)
class Opening:
    """How a model is opened.

    ``workers`` processes (``ray``: the address of a cluster) compute, each with ``threads`` threads (None: one each where
    there are workers); answers then are the same to the bit whatever their number. ``cache`` keeps answers by content.
    ``price`` overrides the catalogue's; ``purse`` holds what all models opened with it may spend together.
    """

    precision: str = "auto"
    workers: int | None = None
    ray: str | None = None
    threads: int | None = None
    cache: bool = True
    price: Price | None = None
    purse: Purse | None = None

    def another(self) -> Opening:
        """For a second model of the same work: the price that was given is the first one's."""
        return replace(self, price=None)


@dataclass(frozen=True)
class Bill:
    """What answers cost (None: nobody knows, or nothing), and how many calls the limit of cost has stopped."""

    cost: float | None = None
    currency: str = ""
    stopped: int = 0

    def since(self, before: Bill) -> Bill:
        """What was added to an earlier one."""
        cost = None if self.cost is None else self.cost - (before.cost or 0.0)
        return Bill(cost, self.currency, self.stopped - before.stopped)


@dataclass(frozen=True)
class Opened:
    """An opened model. ``bare`` is the model itself, below what counts and keeps."""

    model: Any
    bare: Any
    identity: str
    meter: Metered | None = None
    kept: Cached | None = None

    @property
    def usage(self) -> Usage:
        """Tokens of all answers so far that were computed, not found."""
        return Usage() if self.meter is None else self.meter.usage

    @property
    def bill(self) -> Bill:
        """What it has cost so far; no cost where the price of a hosted model is not known, or it runs here."""
        if self.meter is None or self.meter.price is FREE:
            return Bill()
        return Bill(self.meter.spent, self.meter.price.currency, self.meter.refused)

    @property
    def found(self) -> int:
        """Answers so far that were kept from before."""
        return 0 if self.kept is None else self.kept.kept

    def close(self) -> None:
        """End what computes for it."""
        if hasattr(self.bare, "close"):
            self.bare.close()


def open_model(name: str, how: Opening | None = None) -> Opened:
    """The model of that name, ready to be measured.

    Raises:
        BadInput: a cost limit for a model whose price nobody knows or is in another currency, or workers for a hosted model;
            see ``providers.load``.
    """
    how = how or Opening()
    price = how.price or price_of(name)
    if how.purse is not None and how.purse.limit is not None and price is None:
        raise BadInput(
            f"nobody has said what {name} costs, so {how.purse.limit} cannot be kept to",
            hint="give --price IN,OUT (for a million tokens), or an entry in catalogue.toml",
        )
    bare = _bare(name, how)
    identity = identity_of(name, how.precision)
    if not isinstance(bare, Model):
        return Opened(bare, bare, identity)  # a head: it classifies or points, and writes nothing that could be kept
    meter = metered(bare, price or FREE, how.purse)
    kept = cached(meter, identity) if how.cache else None
    return Opened(kept or meter, bare, identity, meter, kept)  # type: ignore[arg-type]


def _bare(name: str, how: Opening) -> Any:
    if how.workers is None and how.ray is None:
        return load(name, precision=how.precision, threads=how.threads)
    from sibao.providers.workers import spread

    return spread(name, precision=how.precision, workers=how.workers, ray=how.ray, threads=how.threads or 1)


def price_of(name: str) -> Price | None:
    """What the catalogue says a model costs; nothing for those that run here, None where it does not know."""
    if local_name(name) is not None or name.startswith("mock:"):
        return FREE
    if name.startswith(("http:", "https:")) and (place := place_of(name)) is not None and place.here:
        return FREE
    from sibao.choosing.catalogue import catalogue

    entry = catalogue().find(name)
    return None if entry is None else entry.price


def read_price(text: str) -> Price:
    """``0.15,0.60``: the price of a million tokens read and of a million written.

    Raises:
        BadInput: not two numbers from 0.
    """
    try:
        read, written = (float(part) for part in text.split(","))
    except ValueError:
        raise BadInput(f"got price {text!r}, wanted two numbers", hint="--price 0.15,0.60") from None
    if not (0 <= read < 1e9 and 0 <= written < 1e9):
        raise BadInput(f"got price {text!r}, wanted numbers from 0", hint="--price 0.15,0.60")
    return Price(read, written)


def identity_of(name: str, precision: str = "auto") -> str:
    """What a model's answers depend on: its files (names, sizes, times), their precision and this release; for a hosted
    one its name and address. Twelve hexadecimal digits behind the name."""
    facts: list[Any] = [name, precision, __version__]
    if (own := local_name(name)) is not None:
        facts += _files(own)
    elif (place := place_of(name)) is not None:
        facts.append(place.base)  # the same name at another address is another model
    digest = hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()
    return f"{name}#{digest[:12]}"


def _files(name: str) -> list[Any]:
    from sibao.models.names import resolve

    try:
        source = resolve(name)
    except SibaoError:
        return []  # loading says what is wrong
    folders = [source.folder] + ([source.adapter] if source.adapter else [])
    found = []
    for folder in folders:
        for path in sorted(p for p in folder.iterdir() if p.is_file() and p.name != "README.md"):
            found.append([path.name, *stamp(path)])
    return found
