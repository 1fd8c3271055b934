"""What a model is, from its own files: architecture, size, context, licence, languages. For a hosted one, from the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sibao.core.errors import SibaoError
from sibao.providers.load import local_name


@dataclass(frozen=True)
class Facts:
    """``parameters`` counts each number in memory once, ``active`` those that one token passes through; None: unknown.
    ``bytes`` are those of the weight files."""

    family: str = ""
    parameters: int | None = None
    active: int | None = None
    bytes: int | None = None
    context: int | None = None
    licence: str = ""
    languages: tuple[str, ...] = ()
    source: str = ""

    def words(self) -> dict[str, str | float]:
        """The facts that are known, as a card shows them."""
        found: dict[str, str | float] = {}
        if self.family:
            found["architecture"] = self.family
        if self.parameters is not None:
            found["parameters"] = _millions(self.parameters)
        if self.active is not None and self.active != self.parameters:
            found["active parameters"] = _millions(self.active)
        if self.bytes is not None:
            found["size of the weight files"] = f"{self.bytes / 2**20:.1f} MiB"
        if self.context is not None:
            found["context"] = f"{self.context} tokens"
        found["licence"] = self.licence or "not stated"
        if self.languages:
            found["languages"] = ", ".join(self.languages)
        return found


def _millions(count: int) -> str:
    return f"{count / 1e9:.2f} B" if count >= 1e9 else f"{count / 1e6:.1f} M"


def facts_of(name: str, model: Any) -> Facts:
    """Facts of a model that is open; ``model`` may be None where it is not."""
    if (own := local_name(name)) is not None:
        return _of_folder(own, model)
    from sibao.choosing.catalogue import catalogue

    entry, held = catalogue().find(name), getattr(model, "context", None)
    if entry is None:
        return Facts(context=held, source="the provider")
    return Facts(
        entry.family, entry.parameters, entry.active or entry.parameters, None, entry.context or held,
        entry.licence, tuple(entry.languages), f"catalogue: {entry.source}",
    )  # fmt: skip


def _of_folder(name: str, model: Any) -> Facts:
    from sibao.choosing.shapes import read_shape
    from sibao.models.folder import read_config
    from sibao.models.names import resolve
    from sibao.models.weights import weight_files
    from sibao.workflows._export_card import read_card

    folder = resolve(name).folder
    front, _ = read_card(folder)
    languages = front.get("language") or ()
    languages = (languages,) if isinstance(languages, str) else tuple(languages)
    size = sum(path.stat().st_size for path in weight_files(folder))
    known = Facts(
        bytes=size, licence=str(front.get("license") or ""), languages=languages, context=getattr(model, "context", None),
        source="the model's folder",
    )  # fmt: skip
    try:
        shape = read_shape(*read_config(folder))
    except SibaoError:  # one that only Transformers computes
        return known
    return replace(known, family=shape.family, parameters=shape.parameters, active=shape.active, context=shape.context)
