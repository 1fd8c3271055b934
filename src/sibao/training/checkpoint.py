"""Checkpoints: written aside, synced, renamed. After a crash at any moment the newest complete one is whole.

A checkpoint is a model (or adapter) folder plus ``optimizer.safetensors`` and ``state.json``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from sibao.core.errors import TrainingError
from sibao.core.paths import fsync_dir
from sibao.training.optim import load_state_tensors, state_tensors

RNG = "rng"


@dataclass
class State:
    """What a run knows besides its weights. ``step`` counts finished optimizer steps."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    joules: float = 0.0
    best_loss: float = float("inf")
    best_step: int = 0
    losses: list[float] = field(default_factory=list)
    """Loss of the last finished step (nats per target token), kept so that a resumed run shows it."""


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints of a run, oldest first."""
    found = (p for p in folder.glob("step-*") if (p / "state.json").is_file())
    return sorted(found, key=lambda p: int(p.name.removeprefix("step-")))


def latest(folder: Path) -> Path:
    """The newest complete checkpoint.

    Raises:
        TrainingError: there is none yet.
    """
    found = checkpoints(folder)
    if not found:
        raise TrainingError(
            f"{folder} holds no complete checkpoint", hint="the run stopped before its first; start it anew"
        )
    return found[-1]


def save(
    folder: Path,
    state: State,
    write_model: Callable[[Path], None],
    optimizers: list[torch.optim.Optimizer],
    keep_last: int,
) -> Path:
    """Write checkpoint ``step-NNNNNN`` and remove old ones, except the last ``keep_last`` and the best.

    Args:
        write_model: writes the model or adapter files into a folder.

    Raises:
        TrainingError: the disk is full or not writable; earlier checkpoints are untouched.
    """
    target = folder / f"step-{state.step:06d}"
    temporary = folder / f".{target.name}.part"
    try:
        for left in folder.glob(".step-*.part"):  # of a process that was killed while it wrote or removed one
            shutil.rmtree(left, ignore_errors=True)
        temporary.mkdir(parents=True)
        write_model(temporary)
        tensors = state_tensors(optimizers) | {RNG: torch.get_rng_state()}
        save_file(tensors, temporary / "optimizer.safetensors")
        (temporary / "state.json").write_text(json.dumps(asdict(state)))
        _sync(temporary)
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
        fsync_dir(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TrainingError(
            f"checkpoint {target.name} could not be written: {why}",
            hint="free some space, then continue with --resume; the checkpoint before it is intact",
        ) from error
    _prune(folder, keep_last, state.best_step)
    return target


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
    fsync_dir(folder)


def _prune(folder: Path, keep_last: int, best_step: int) -> None:
    for path in checkpoints(folder)[:-keep_last]:
        if path.name != f"step-{best_step:06d}":
            # renamed first, so that a half-removed one is never taken for complete
            shutil.rmtree(path.rename(folder / f".{path.name}.part"), ignore_errors=True)


def read_state(path: Path) -> State:
    """The state of a checkpoint."""
    return State(**json.loads((path / "state.json").read_text()))


def load_optimizers(path: Path, optimizers: list[torch.optim.Optimizer]) -> None:
    """Restore optimizer state and the random generator from a checkpoint."""
    tensors = load_file(path / "optimizer.safetensors")
    torch.set_rng_state(tensors.pop(RNG))
    load_state_tensors(optimizers, tensors)
