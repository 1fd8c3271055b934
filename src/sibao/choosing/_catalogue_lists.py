"""The two public lists of models that programs exchange, read into rows of the catalogue.

LiteLLM's ``model_prices_and_context_window.json``: one object of models, prices in US dollars for one token. models.dev's
``api.json``: providers, each with its models, prices in US dollars for a million tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from typing import Any

KNOWN = {"openai": "openai:", "google": "google:", "gemini": "google:", "ai21": "ai21:"}
"""Names of providers in either list, and what Sibao puts before a model of theirs."""
MODALITIES = ("text", "image", "audio", "video")
_LITELLM = {
    "input": "input_cost_per_token", "output": "output_cost_per_token", "cached": "cache_read_input_token_cost",
}  # fmt: skip
_MODELS_DEV = {"input": "input", "output": "output", "cached": "cache_read"}
Found = Iterator[tuple[str, "dict[str, Any] | Fault | None"]]
"""(the list's own name, a row; what is wrong with it; or None where Sibao has no name for its provider)."""


class Fault(Exception):
    """One entry cannot be used; says why."""


def is_models_dev(data: dict[str, Any]) -> bool:
    """Whether a list has the form of models.dev."""
    return any(isinstance(value, dict) and isinstance(value.get("models"), dict) for value in data.values())


def litellm(data: dict[str, Any]) -> Found:
    """Rows of LiteLLM's list; what is no model of text (pictures, speech, embeddings) is passed over."""
    for key, value in data.items():
        if key == "sample_spec" or (
            isinstance(value, dict) and value.get("mode", "chat") not in ("chat", "completion")
        ):
            continue
        try:
            prefix = KNOWN.get(str(_object(value).get("litellm_provider", "")))
            yield key, None if prefix is None else _litellm_row(prefix + key.rpartition("/")[2], value)
        except Fault as fault:
            yield key, fault


def _litellm_row(name: str, value: dict[str, Any]) -> dict[str, Any]:
    costs = {ours: _number(value.get(theirs)) for ours, theirs in _LITELLM.items()}
    price = {ours: round(cost * 1e6, 9) for ours, cost in costs.items() if cost is not None}
    context = _number(value.get("max_input_tokens") or value.get("max_tokens"))
    kinds = ["text", "image"] if value.get("supports_vision") is True else ["text"]
    return _row(name, price, context, kinds)


def models_dev(data: dict[str, Any]) -> Found:
    """Rows of models.dev's list; a provider that Sibao does not know is named by its OpenAI-compatible address, if it has one."""
    for provider, block in data.items():
        if not isinstance(block, dict) or not isinstance(block.get("models"), dict):
            yield provider, Fault("no object of models")
            continue
        api = block.get("api")
        base = KNOWN.get(provider) or (f"{api.rstrip('/')}#" if isinstance(api, str) and "://" in api else None)
        for key, value in block["models"].items():
            try:
                yield f"{provider}/{key}", None if base is None else _models_dev_row(base + key, _object(value))
            except Fault as fault:
                yield f"{provider}/{key}", fault


def _models_dev_row(name: str, value: dict[str, Any]) -> dict[str, Any]:
    cost, limit = _object(value.get("cost") or {}), _object(value.get("limit") or {})
    numbers = {ours: _number(cost.get(theirs)) for ours, theirs in _MODELS_DEV.items()}
    seen = _object(value.get("modalities") or {}).get("input")
    kinds = [kind for kind in MODALITIES if isinstance(seen, list) and kind in seen]
    price = {ours: number for ours, number in numbers.items() if number is not None}
    row = _row(name, price, _number(limit.get("context")), kinds)
    released = value.get("release_date")
    try:
        return {**row, "released": date.fromisoformat(released)} if isinstance(released, str) else row
    except ValueError:  # a month without its day
        return row


def _row(name: str, price: dict[str, float], context: float | None, kinds: list[str]) -> dict[str, Any]:
    if not name.isprintable():
        raise Fault("its name holds characters that cannot be printed")
    if not {"input", "output"} <= set(price):
        raise Fault("no price of tokens read and written")
    row: dict[str, Any] = {"name": name, "availability": "hosted", "price": price}
    if context:
        row["context"] = int(context)
    return {**row, "modalities": kinds} if kinds else row


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Fault(f"got {type(value).__name__}, wanted an object")
    return value


def _number(value: Any) -> float | None:
    """A number of a list; some write figures as text."""
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number < 1e12:
        raise Fault(f"got {str(value)[:40]!r}, wanted a number from 0")
    return number
