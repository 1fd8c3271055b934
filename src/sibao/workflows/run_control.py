"""How recorded runs stand, and the two controls of a training run: stop it with a checkpoint, let it go on from there.

Both use what every run obeys: SIGTERM, and ``--resume RUN`` in a process of its own that outlives the one that started it.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any, Literal

from sibao.core.errors import BadInput, SibaoError
from sibao.core.paths import runs_dir
from sibao.store.runs import Run, get_run, list_runs
from sibao.workflows._presence import trainer
from sibao.workflows._run import RECIPE, saved_recipe
from sibao.workflows.run_curves import last_step

TRAINED = ("pretrain", "finetune")
WORDS = "resumed.log"
"""File in a run's folder with what the process of a resumed run said."""
State = Literal["running", "done", "failed", "stopped", "interrupted"]
_started: dict[str, subprocess.Popen[bytes]] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Standing:
    """A run and how it stands. ``interrupted``: its process is gone without an end. ``step`` of ``steps`` are done."""

    run: Run
    state: State
    can_stop: bool = False
    can_resume: bool = False
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    joules: float | None = None


def standings(limit: int, kind: str | None = None) -> list[Standing]:
    """The newest runs."""
    return [standing(run) for run in list_runs(kind, limit=limit)]


def standing(run: Run) -> Standing:
    """How a run stands now."""
    if run.kind not in TRAINED:
        return Standing(run, run.status)  # type: ignore[arg-type]  # the store takes no other words
    folder = runs_dir() / run.id
    busy = trainer(folder) is not None or _is_starting(run.id)
    state: Any = "running" if busy else "interrupted" if run.status == "running" else run.status
    last = last_step(run.id) or {}
    resumable = not busy and state != "done" and (folder / RECIPE).is_file()
    return Standing(run, state, busy, resumable, last.get("step"), _planned(run), last.get("loss"), last.get("joules"))


def _planned(run: Run) -> int | None:
    """Steps of the recipe; a resumed run may have been given others, which its folder knows."""
    try:
        return saved_recipe(runs_dir() / run.id).schedule.steps
    except (SibaoError, OSError, ValueError):
        return run.recipe.get("schedule", {}).get("steps")


def stop_run(run: str) -> None:
    """Ask a training run to save a checkpoint and end.

    Raises:
        UnknownName: no such run. BadInput: it does not run on this machine.
    """
    found = get_run(run)
    process = trainer(runs_dir() / found.id)
    if process is not None:
        process.terminate()
        return
    with _lock:
        starting = _started.get(found.id)
    if starting is None:
        raise BadInput(f"run {found.id} does not run on this machine", hint="sibao runs shows how it ended")
    starting.terminate()


def resume_run(run: str, *, steps: int | None = None, max_minutes: float | None = None) -> None:
    """Let a training run go on from its newest checkpoint, in a process of its own.

    Args:
        steps: optimizer steps in all, instead of the recipe's.
        max_minutes: stop after so long, with a checkpoint.

    Raises:
        UnknownName: no such run. BadInput: no training run, one that runs, or one that has nothing left to do.
    """
    found = get_run(run)
    _refuse(found, steps)
    flags = [] if steps is None else ["--steps", str(steps)]
    flags += [] if max_minutes is None else ["--max-minutes", str(max_minutes)]
    command = [sys.executable, "-m", "sibao", found.kind, "--resume", found.id, "--quiet", *flags]
    with _lock:
        if found.id in _started:
            raise BadInput(f"run {found.id} was started already", hint="wait for its first step")
        with (runs_dir() / found.id / WORDS).open("wb") as words:
            _started[found.id] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT, start_new_session=True
            )
    threading.Thread(target=_forget, args=(found.id,), daemon=True).start()


def last_words(run: str) -> str:
    """What the process of a resumed run said at its end; empty where it said nothing or still runs."""
    if _is_starting(run):
        return ""
    try:
        return (runs_dir() / run / WORDS).read_text(encoding="utf-8", errors="replace")[-2000:].strip()
    except FileNotFoundError:
        return ""


def _refuse(run: Run, steps: int | None) -> None:
    now = standing(run)
    if run.kind not in TRAINED or not (runs_dir() / run.id / RECIPE).is_file():
        raise BadInput(
            f"run {run.id} ({run.kind}) is no training that can go on", hint="resume a pretrain or finetune run"
        )
    if now.can_stop:
        raise BadInput(f"run {run.id} is running", hint="stop it first, or wait for its end")
    planned = steps or saved_recipe(runs_dir() / run.id).schedule.steps
    if now.state == "done" and planned <= (now.step or 0):
        raise BadInput(f"run {run.id} has done all of its {planned} steps", hint="ask for more steps in all")


def _is_starting(run: str) -> bool:
    with _lock:
        return run in _started


def _forget(run: str) -> None:
    """Wait for the process, so that its end is noticed and nothing of it is left."""
    with _lock:
        process = _started[run]
    process.wait()
    with _lock:
        del _started[run]
