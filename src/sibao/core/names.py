"""The file name is the key: listing and importing ``package/<name>.py`` without a table to edit."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from sibao.core.errors import UnknownName


def module_names(package: str) -> list[str]:
    """Public module names in a package, sorted; ``base`` and names with a leading underscore are not things."""
    path = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_") and m.name != "base")


def load_module(package: str, name: str, kind: str) -> ModuleType:
    """Import ``package.name``.

    Raises:
        UnknownName: no such file; the message lists the nearest names. An import fault inside the file passes through.
    """
    known = module_names(package)
    if name not in known:
        raise UnknownName(kind, name, known)
    return importlib.import_module(f"{package}.{name}")
