"""One thing that ``sibao doctor`` looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. ``hint`` says what to do when it is not ok."""

    name: str
    status: Status
    value: str
    hint: str = ""
