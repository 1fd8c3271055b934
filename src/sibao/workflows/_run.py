"""What every training verb does around the loop: a folder, a record in the store, callbacks, energy, the end of it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sibao.core.energy import EnergyMeter
from sibao.core.errors import BadInput, SibaoError
from sibao.core.paths import runs_dir, write_text
from sibao.core.progress import progress
from sibao.training import checkpoint
from sibao.training.callbacks import Bar, Callback, JsonlLog, TensorBoard
from sibao.training.loop import Job, Outcome, train
from sibao.training.recipe import Recipe, parse_recipe
from sibao.workflows._presence import present

RECIPE, LOG, CHECKPOINTS, MODEL = "recipe.json", "log.jsonl", "checkpoints", "model"


@dataclass(frozen=True)
class TrainingResult:
    """A run after the loop. ``model`` is the folder of the finished model or adapter (None when stopped early)."""

    run: str
    folder: Path
    model: Path | None
    status: str
    state: checkpoint.State
    valid_loss: float | None
    bits_per_byte: float | None
    joules: float
    energy_kind: str

    def to_json(self) -> dict[str, Any]:
        """The run object of the JSON contract."""
        return {
            "run": self.run, "kind": "training", "status": self.status, "folder": str(self.folder),
            "model": None if self.model is None else str(self.model), "steps": self.state.step,
            "tokens": self.state.tokens, "seconds": self.state.seconds, "valid_loss": self.valid_loss,
            "bits_per_byte": self.bits_per_byte, "joules": self.joules, "energy": self.energy_kind, "scores": [],
        }  # fmt: skip


class RunRecord:
    """The run's row in the store; where the database packages are missing, only its folder."""

    def __init__(self, kind: str, model: str, recipe: dict[str, Any], run: str | None = None) -> None:
        self.stored = find_spec("sqlalchemy") is not None
        if run is not None:
            self.id = run
            self._update(status="running")
        elif self.stored:
            from sibao.store import runs

            self.id = runs.create_run(kind, model, recipe)
        else:
            self.id = f"r{int(time.time()):x}{secrets.token_hex(1)}"

    def _update(self, **values: Any) -> None:
        if self.stored:
            from sibao.store import runs

            runs.update_run(self.id, **values)

    def finish(self, status: Any, result: dict[str, Any] | None = None, message: str = "") -> None:
        """Record the end."""
        if self.stored:
            from sibao.store import runs

            runs.finish_run(self.id, status, result, message)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """This process is the run's; an error in the block marks the run as failed, with the message.

        Raises:
            BadInput: another process trains it. Its record stays as it is.
        """
        with present(runs_dir() / self.id):
            try:
                yield
            except BaseException as error:
                self.finish("failed", message=error.message if isinstance(error, SibaoError) else repr(error))
                raise


def find_run(run: str) -> tuple[str, Path]:
    """Id and folder of a run by its id or a prefix of it."""
    found = sorted(p for p in runs_dir().iterdir() if p.name.startswith(run) and (p / RECIPE).is_file())
    if len(found) != 1:
        known = ", ".join(sorted(p.name for p in runs_dir().iterdir())[-5:])
        what = "no training run begins" if not found else f"{len(found)} runs begin"
        raise BadInput(f"{what} with {run!r}", hint=f"newest runs: {known or 'none yet'}; see sibao runs")
    return found[0].name, found[0]


def saved_recipe(folder: Path) -> Recipe:
    """The recipe that a run was started with."""
    return parse_recipe(json.loads((folder / RECIPE).read_text(encoding="utf-8")), where=str(folder / RECIPE))


def save_recipe(folder: Path, recipe: Recipe) -> None:
    """Keep the recipe beside the run."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RECIPE, json.dumps(recipe.model_dump(), indent=2, ensure_ascii=False) + "\n")


def resumed_recipe(folder: Path, steps: int | None, max_minutes: float | None) -> Recipe:
    """The saved recipe with what a resumed run says instead, saved again: a new number of steps, a limit of this part."""
    recipe = saved_recipe(folder)
    changes: dict[str, Any] = {"run": recipe.run.model_copy(update={"max_minutes": max_minutes})}
    if steps is not None:
        changes["schedule"] = recipe.schedule.model_copy(update={"steps": steps})
    recipe = recipe.model_copy(update=changes)
    save_recipe(folder, recipe)
    return recipe


def watchers(folder: Path, bar: Any) -> list[Callback]:
    """Log file, bar, and TensorBoard where it is installed."""
    callbacks: list[Callback] = [JsonlLog(folder / LOG), Bar(bar)]
    if find_spec("tensorboard") is not None:
        callbacks.append(TensorBoard(folder / "tensorboard"))
    return callbacks


class _LastEval(Callback):
    loss: float | None = None
    bits: float | None = None

    def on_eval(self, log: Any) -> None:
        self.loss, self.bits = log.valid_loss, log.bits_per_byte


def run_job(
    job: Job, record: RunRecord, folder: Path, resume: Path | None, finish: Callable[[Path], None], quiet: bool
) -> TrainingResult:
    """Run the loop with everything around it; ``finish`` writes the model into the folder it is given."""
    last = _LastEval()
    with (
        record.guarded(),
        EnergyMeter() as meter,
        progress(job.recipe.schedule.steps, job.recipe.run.name, unit="step", quiet=quiet) as bar,
    ):
        job.joules = lambda: meter.read().joules
        job.callbacks += [*watchers(folder, bar), last]
        outcome: Outcome = train(job, resume)
        if outcome.finished:
            finish(folder / MODEL)
    status = "done" if outcome.finished else "stopped"
    state = outcome.state
    result = TrainingResult(
        record.id, folder, folder / MODEL if outcome.finished else None, status, state,
        last.loss, last.bits, state.joules, meter.energy.kind,
    )  # fmt: skip
    record.finish(status, {k: v for k, v in result.to_json().items() if k not in ("run", "kind", "status", "scores")})
    return result
