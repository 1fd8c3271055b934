"""The process that makes a choice for the web page: what to do on standard input, how it goes on standard output, in JSON lines.

A process of its own can be ended at any moment, gives all its memory back, and does not slow down what the server computes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from sibao.core.errors import SibaoError


class Stopped(BaseException):
    """Somebody gave the choice up. No ``SibaoError``: a race goes on without a model that raises one."""

    def __repr__(self) -> str:
        return "stopped by the user"


def main() -> None:
    """Read the form, choose, write each step, what was spent, and then the result or the failure."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints does not come between the lines
    signal.signal(signal.SIGTERM, _end)

    def tell(said: dict[str, Any]) -> None:
        from sibao.store.values import dumps

        lines.write(dumps(said) + "\n")
        lines.flush()

    try:
        tell({"result": _choose(json.load(sys.stdin.buffer), tell)})
    except SibaoError as error:
        tell(error.to_json())
    except Stopped:
        sys.exit(1)


def _choose(said: dict[str, Any], tell: Any) -> dict[str, Any]:
    os.environ["SIBAO_LANGUAGE"] = said["language"]
    from sibao import __version__
    from sibao.evaluation.budget import Purse
    from sibao.server._choose_form import ask_of
    from sibao.workflows._choose_ask import Stage
    from sibao.workflows.choose import choose

    def watch(stage: Stage, name: str, done: int, total: int) -> None:
        tell({"stage": stage, "name": name, "done": done, "total": total})

    ask, tokens = ask_of(said), 0
    purse = Purse(ask.plan.max_cost, ask.limits.currency)
    try:
        found = choose(ask, quiet=True, watch=watch, purse=purse)
        tokens = 0 if found.race is None else found.race.tokens
    finally:
        tell({"spent": purse.spent, "tokens": tokens})
    return {"command": "choose", "model": found.pick.name, "version": __version__, **found.to_json()}


def _end(number: int, frame: object) -> None:
    raise Stopped


if __name__ == "__main__":
    main()
