"""What a judge is told to look for: criteria and a scale in Chinese and English, read from TOML or JSON."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sibao.core.errors import DataError, UnknownName
from sibao.core.types import Language

FOLDER = Path(__file__).with_name("rubrics")


@dataclass(frozen=True)
class Rubric:
    """Criteria, a scale of whole numbers from ``low`` to ``high``, what some of them mean, and where passing begins."""

    name: str
    version: str
    low: int
    high: int
    pass_at: int
    criteria: dict[Language, str]
    scale: dict[Language, dict[int, str]]

    @property
    def languages(self) -> tuple[Language, ...]:
        """Languages that the criteria are written in."""
        return tuple(self.criteria)


def rubric_names() -> list[str]:
    """Rubrics that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_rubric(name: str | Path) -> Rubric:
    """A rubric by name, or from a ``.toml`` or ``.json`` file.

    Raises:
        UnknownName: no such rubric. DataError: a file that cannot be read or lacks something, by field.
    """
    path = Path(name)
    if path.suffix in (".toml", ".json"):
        return _read(path)
    if str(name) not in rubric_names():
        raise UnknownName("rubric", str(name), rubric_names())
    return _read(FOLDER / f"{name}.toml")


def _read(path: Path) -> Rubric:
    try:
        text = path.read_text(encoding="utf-8")
        found: Any = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:  # TOML, JSON and UTF-8 errors are ValueErrors
        raise DataError(f"the rubric cannot be read: {error}", file=str(path)) from error
    if not isinstance(found, dict):
        raise DataError("wanted an object", file=str(path))
    low, high, pass_at = (_number(found, name, path) for name in ("low", "high", "pass_at"))
    if not low < pass_at <= high:
        raise DataError(f"got low {low}, pass_at {pass_at}, high {high}; wanted them in order", file=str(path))
    criteria = _texts(found.get("criteria"), "criteria", path)
    scale = {language: _scale(found, language, path, (low, high)) for language in criteria}
    return Rubric(
        str(found.get("name", path.stem)), str(found.get("version", "1")), low, high, pass_at, criteria, scale
    )


def _number(found: Mapping[str, Any], name: str, path: Path) -> int:
    value = found.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(f"got {value!r}, wanted a whole number", file=str(path), field=name)
    return value


def _texts(found: Any, name: str, path: Path) -> dict[Language, str]:
    known: tuple[Language, ...] = ("en", "zh")
    texts = {language: found[language] for language in known if isinstance(found, dict) and language in found}
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts.values()):
        raise DataError("wanted a text under en, zh or both", file=str(path), field=name)
    return {language: text.strip() for language, text in texts.items()}


def _scale(found: Mapping[str, Any], language: str, path: Path, ends: tuple[int, int]) -> dict[int, str]:
    given = found.get("scale", {})
    meanings = given.get(language, {}) if isinstance(given, dict) else None
    where = f"scale.{language}"
    if not isinstance(meanings, dict):
        raise DataError("wanted numbers with their meanings", file=str(path), field=where)
    for key in meanings:
        if not key.isdecimal() or not ends[0] <= int(key) <= ends[1]:
            raise DataError(f"got {key!r}, wanted a number from {ends[0]} to {ends[1]}", file=str(path), field=where)
    return {int(key): str(text) for key, text in sorted(meanings.items(), key=lambda pair: int(pair[0]))}
