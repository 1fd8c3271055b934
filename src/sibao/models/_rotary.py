"""Rotary positions in ``config.json``: both spellings, ``rope_parameters`` of Transformers 5 and the older ``rope_theta``
with ``rope_scaling`` beside it. What would be computed otherwise than Transformers does is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from sibao.core.errors import ModelError, UnsupportedModel
from sibao.models.base import Keys
from sibao.nn.config import DecoderConfig
from sibao.nn.scaling import LinearScaling, Llama3Scaling, LongScaling, Scaling, YarnScaling

KINDS: dict[str, type[Scaling]] = {
    "linear": LinearScaling,
    "llama3": Llama3Scaling,
    "longrope": LongScaling,
    "yarn": YarnScaling,
}
ORIGINAL, EXTENDED = "original_max_position_embeddings", "extended_max_position_embeddings"


def rope(keys: Keys, theta: float = 10000.0) -> dict[str, Any]:
    """The fields of a ``DecoderConfig`` that say where a token stands.

    Args:
        theta: the family's rotary base when the file names none.
    """
    bare = keys.get("rope_theta", theta)
    parameters = keys.get("rope_scaling", None) or keys.get("rope_parameters", None) or {}
    keys.used.add("rope_parameters")
    return rope_fields(keys, parameters, bare)


def rope_fields(keys: Keys, parameters: Any, theta: float, kinds: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The same from one object of rope parameters.

    Args:
        kinds: further names of kinds of scaling, and what the family means by them.
    """
    if not isinstance(parameters, Mapping):
        raise ModelError(f"config.json has rope_parameters = {parameters!r}; wanted an object")
    scaling = _scaling(keys, parameters, kinds or {})
    length = keys.get("max_position_embeddings")
    if isinstance(scaling, LongScaling):
        length = min(length, scaling.original_max_position_embeddings)
    return {
        "rope_theta": float(parameters.get("rope_theta") or theta),
        "rope_scaling": scaling,
        "max_position_embeddings": length,
    }


def _scaling(keys: Keys, parameters: Mapping[str, Any], kinds: Mapping[str, str]) -> Scaling | None:
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    kind = kinds.get(kind, kind)
    if kind != "default" and kind not in KINDS:
        raise UnsupportedModel(
            f"config.json asks for rope scaling {kind!r}; supported: 'default', {', '.join(map(repr, KINDS))}",
            hint="positions would be wrong without it",
        )
    form = KINDS.get(kind)
    known = {f.name: f for f in fields(form)} if form else {}
    given = {k: v for k, v in parameters.items() if k not in ("rope_type", "type", "rope_theta")}
    if unknown := sorted(given.keys() - known.keys() | given.keys() & {EXTENDED}):
        raise ModelError(
            f"config.json has rope parameters this version does not know: {', '.join(unknown)}",
            hint="positions would be wrong without them",
        )
    if form is None:
        return None
    values = {k: _checked(k, v) for k, v in given.items() if v is not None} | _lengths(keys, known, given)
    if missing := [n for n, f in known.items() if f.default is MISSING and n not in values]:
        raise ModelError(f"config.json asks for rope scaling {kind!r} without {', '.join(missing)}")
    return form(**values)


def _lengths(keys: Keys, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The lengths before and after stretching. One beside the rope parameters wins over one among them."""
    if ORIGINAL not in known:
        return {}
    extended = keys.get("max_position_embeddings")
    original = keys.get(ORIGINAL, given.get(ORIGINAL) or extended)
    if not all(isinstance(n, int) and n > 0 for n in (original, extended)):
        raise ModelError(f"config.json has {ORIGINAL} = {original!r}, max_position_embeddings = {extended!r}")
    lengths = {ORIGINAL: original}
    if EXTENDED in known:
        lengths[EXTENDED] = extended
    elif "truncate" in known and given.get("factor") is None:
        lengths["factor"] = extended / original
    return lengths


def _checked(name: str, value: Any) -> Any:
    if name == "truncate" and isinstance(value, bool):
        return value
    if name in ("short_factor", "long_factor") and isinstance(value, list):
        return tuple(_checked(f"a number of {name}", v) for v in value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ModelError(f"config.json has the rope parameter {name} = {value!r}; wanted a number above 0")
    return value


def scaling_json(scaling: Scaling | None) -> dict[str, Any]:
    """A scaling as an object of ``config.json``; of none, ``{"rope_type": "default"}``."""
    kind = next((k for k, form in KINDS.items() if type(scaling) is form), "default")
    values = {k: v for k, v in asdict(scaling).items() if v is not None and k != EXTENDED} if scaling else {}
    return {"rope_type": kind} | {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def rope_json(c: DecoderConfig) -> dict[str, Any]:
    """Both spellings of the rotary positions of a model, and the length it is for."""
    scaling = scaling_json(c.rope_scaling)
    out = {"rope_theta": c.rope_theta, "rope_parameters": {"rope_theta": c.rope_theta, **scaling}}
    return out | ({"rope_scaling": scaling} if c.rope_scaling else {}) | length_json(c)


def length_json(c: DecoderConfig) -> dict[str, Any]:
    """The length that the checkpoint is for, which may be more than what is computed here."""
    if not isinstance(c.rope_scaling, LongScaling):
        return {"max_position_embeddings": c.max_position_embeddings}
    s = c.rope_scaling
    return {"max_position_embeddings": s.extended_max_position_embeddings, ORIGINAL: s.original_max_position_embeddings}
