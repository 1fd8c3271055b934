"""The part of a hosted model's name that its provider knows."""

from __future__ import annotations

import re

from sibao.core.errors import BadInput

MOST = 200
_IN_PATHS = re.compile(r"[\w-][\w.@-]*")


def model_name(name: str, separator: str = ":", *, in_paths: bool = False) -> str:
    """What stands behind the kind: ``gpt-...`` of ``openai:gpt-...``. ``in_paths``: it becomes a part of addresses.

    Raises:
        BadInput: nothing, or what no model is called.
    """
    kind, _, model = name.partition(separator)
    fits = (
        bool(_IN_PATHS.fullmatch(model)) if in_paths else bool(model) and model.isprintable() and model == model.strip()
    )
    if not fits or len(model) > MOST:
        raise BadInput(f"{name[:MOST]!r} names no model", hint=f"write {kind}{separator}NAME")
    return model
