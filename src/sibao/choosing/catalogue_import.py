"""Prices and sizes from a public list into the user's catalogue. An entry that cannot be read is counted and named."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sibao.choosing._catalogue_lists import Fault, is_models_dev, litellm, models_dev
from sibao.choosing.catalogue import FILE, entry_of, read_rows
from sibao.core.config import settings
from sibao.core.errors import ConfigError, DataError
from sibao.core.paths import write_text

BEGIN = "# --- imported entries: replaced by the next import; what stands below them wins ---"
END = "# --- end of the imported entries ---"
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Imported:
    """What an import did. ``faults``: (entry, what is wrong); ``unnamed``: entries of providers that have no name here."""

    file: str
    form: str
    taken: int
    unnamed: int
    faults: list[tuple[str, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.__dict__, "faults": [{"entry": name, "message": why} for name, why in self.faults]}


def import_prices(path: Path, *, read: date, source: str = "") -> Imported:
    """Take a list into ``catalogue.toml`` of the home, as a block at its head. What the user wrote stands below, is kept to
    the letter, and wins key by key.

    Args:
        read: the day the list was fetched. source: where from (empty: the file's name).

    Raises:
        DataError: no JSON, or neither of the two forms. ConfigError: the user's own file is broken; it is not touched.
    """
    data = _read(path)
    form, found = ("models.dev", models_dev(data)) if is_models_dev(data) else ("LiteLLM", litellm(data))
    tables: dict[str, str] = {}
    faults, unnamed = [], 0
    for name, row in found:
        try:
            if row is None:
                unnamed += 1
            elif isinstance(row, Fault):
                raise row
            else:
                tables[row["name"]] = _table(_dated(row, read, source or path.name))
        except (Fault, ConfigError) as fault:
            faults.append((name, str(fault)))
    if not tables and not faults and not unnamed:
        raise DataError("holds no model in the form of LiteLLM or models.dev", file=str(path))
    target = settings().home / FILE
    write_text(target, _with_block(target, "\n\n".join(tables.values())))
    return Imported(str(target), form, len(tables), unnamed, faults)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"holds more than {MOST_BYTES} bytes", file=str(path))
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot be read as JSON: {error}", file=str(path)) from None
    if not isinstance(data, dict):
        raise DataError(f"holds {type(data).__name__}, wanted an object of models", file=str(path))
    return data


def _dated(row: dict[str, Any], read: date, source: str) -> dict[str, Any]:
    price = {**row["price"], "currency": "USD", "read": read, "source": source}
    return {**row, "checked": read, "sources": [source], "price": price}


def _table(row: dict[str, Any]) -> str:
    """One table [[model]], once it is sure that the catalogue will take it."""
    entry_of(row, Path(FILE))
    return "\n".join(["[[model]]", *(f"{key} = {_value(value)}" for key, value in row.items())])


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):  # a JSON string is a TOML string, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return value.isoformat() if isinstance(value, date) else repr(value)


def _with_block(target: Path, block: str) -> str:
    own = ""
    if target.is_file():
        read_rows(target)
        own = target.read_text(encoding="utf-8")
        before, _, rest = own.partition(BEGIN)
        own = before + rest.partition(END)[2] if rest else own
    return "\n".join(part for part in (BEGIN, block, END, own.strip("\n")) if part) + "\n"
