"""Tables that suites share: names of subjects, instructions, classes; data files beside this one."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "_tables"


@functools.cache
def table(name: str) -> Any:
    """The table of ``_tables/<name>.json``, read once; not to be changed."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
