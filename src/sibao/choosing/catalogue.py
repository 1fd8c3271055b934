"""What is openly known of models: sizes, context, licences, languages, dated prices. Every entry names its sources.

The shipped file ``catalogue.toml`` is a snapshot that says its dates. ``catalogue.toml`` in the home wins over it, key by key;
a field that nobody could source is left out, and stands for "unknown" everywhere.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sibao.core.config import settings
from sibao.core.errors import ConfigError
from sibao.core.prices import Price

SHIPPED = Path(__file__).with_name("catalogue.toml")
FILE = "catalogue.toml"
Availability = Literal["open", "hosted", "retired"]
TaskName = Literal["generate", "translate", "answer", "summarize", "describe"]


class _Strict(BaseModel):
    """Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PriceRow(_Strict):
    """A price as the file writes it, for a million tokens."""

    input: float = Field(ge=0, lt=1e6)
    output: float = Field(ge=0, lt=1e6)
    cached: float | None = Field(None, ge=0, lt=1e6)
    currency: str = Field("USD", pattern="^[A-Z]{3}$")
    read: date
    source: str = Field(min_length=1)

    def price(self) -> Price:
        """The same as every part of Sibao takes it."""
        return Price(self.input, self.output, self.cached, self.currency, self.read.isoformat(), self.source)


class Entry(_Strict):
    """One model. Fields that are None or empty are unknown.

    ``name`` is the name that Sibao loads it by. ``languages`` are those of zh and en that its maker names; ``tasks`` what it
    does as published, without training. ``commercial``: its licence lets a company use it. ``open``: its weights can be had;
    ``hosted``: behind an interface only; ``retired``: not to be had any more. ``ends``: the day its maker switches it off.
    ``successor`` is what its maker offers instead. ``sources`` are pages that say so, looked at on the day ``checked``.
    """

    name: str = Field(min_length=1)
    maker: str = ""
    family: str = ""
    parameters: int | None = Field(None, gt=0)
    active: int | None = Field(None, gt=0)
    context: int | None = Field(None, gt=0)
    licence: str = ""
    commercial: bool | None = None
    languages: tuple[Literal["zh", "en"], ...] = ()
    modalities: tuple[Literal["text", "image", "audio", "video"], ...] = ()
    tasks: tuple[TaskName, ...] = ()
    released: date | None = None
    availability: Availability
    ends: date | None = None
    successor: str = ""
    checked: date | None = None
    sources: tuple[str, ...] = ()
    row: PriceRow | None = Field(None, alias="price")

    @property
    def price(self) -> Price | None:
        """What tokens cost; None where it is hosted by nobody, or nobody has said."""
        return None if self.row is None else self.row.price()

    @property
    def source(self) -> str:
        """The first of its sources."""
        return self.sources[0] if self.sources else ""

    @property
    def remote(self) -> bool:
        """Whether it answers over the network under this name."""
        return self.name.startswith(("openai:", "google:", "ai21:", "https:", "http:"))


class Catalogue:
    """All entries, by name."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self._entries = entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> Entry | None:
        """The entry of a model name, without its adapter, revision and back end; None where there is none."""
        bare = name if name in self._entries else _bare(name)
        return self._entries.get(bare) or self._by_lower.get(bare.lower())

    @cached_property
    def _by_lower(self) -> dict[str, Entry]:
        return {name.lower(): entry for name, entry in self._entries.items()}


def _bare(name: str) -> str:
    kind, _, rest = name.partition(":")
    bare = rest if kind in ("transformers", "vllm") else name
    return bare.partition("+")[0].partition("@")[0] if "://" not in bare else bare


def catalogue() -> Catalogue:
    """The shipped entries with the user's over them, read anew at every call (the file is small and may be edited).

    Raises:
        ConfigError: a file that is not TOML, or an entry with an unknown key or a wrong value; says which.
    """
    rows = read_rows(SHIPPED)
    own = settings().home / FILE
    if own.is_file():
        for name, row in read_rows(own).items():
            rows[name] = {**rows.get(name, {}), **row}
    return Catalogue({name: entry_of(row, own if own.is_file() else SHIPPED) for name, row in rows.items()})


def read_rows(path: Path) -> dict[str, dict[str, Any]]:
    """The tables ``[[model]]`` of a file, by name. A name that stands twice is merged, the later one winning.

    Raises:
        ConfigError: not TOML, another top-level key, or a model without a name.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}", hint="see docs/choose.md for its form") from error
    other = sorted(set(table) - {"model"})
    if other or not isinstance(table.get("model", []), list):
        raise ConfigError(f"{path} has the key {', '.join(other) or 'model'}, wanted tables [[model]] only")
    rows: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(table.get("model", []), start=1):
        name = row.get("name") if isinstance(row, dict) else None
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{path}: model {number} has no name", hint='name = "openai:..." or org/name')
        rows[name] = {**rows.get(name, {}), **row}
    return rows


def entry_of(row: dict[str, Any], path: Path) -> Entry:
    """One entry, checked.

    Raises:
        ConfigError: an unknown key or a wrong value: file, model, key.
    """
    try:
        return Entry.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{path}: model {row.get('name')!r}, key {key!r}: {first['msg'].lower()}",
            hint="see docs/choose.md for the keys",
        ) from None
