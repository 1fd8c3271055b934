"""One line of JSON in, one line out: how bench/engine.py talks to an engine that runs in an environment of its own.

``{"op": NAME, ...}`` calls the function of that name with the other keys; the answer is what it returns, a dict, or
``{"error": ...}``. The first line is ``load``. Only the standard library is used: every peer's environment has that.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]


def serve(load: Callable[..., dict[str, Callable[..., Answer]]]) -> None:
    """Answer until the input ends.

    Args:
        load: called with the first line's keys; gives the functions, among them ``about``, whose dict it answers with.
    """
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    known: dict[str, Callable[..., Answer]] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        name = asked.pop("op")
        try:
            if name == "load":
                known = load(**asked)
                name, asked = "about", {}
            answer = known[name](**asked)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        lines.write(json.dumps(answer, ensure_ascii=False) + "\n")
        lines.flush()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Wall seconds, and what the work gave."""
    begun = time.perf_counter()
    found = work()
    return time.perf_counter() - begun, found
