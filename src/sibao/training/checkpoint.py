"""Checkpoints: written aside, synced, renamed. After a crash at any moment the newest complete one is whole.

A checkpoint is a model (or adapter) folder plus ``optimizer.safetensors`` and ``state.json``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from sibao.core.errors import ModelError, TrainingError
from sibao.core.paths import fsync_dir
from sibao.models.weights import read_json, read_tensors, refuse_nan
from sibao.training.optim import load_state_tensors, state_tensors

RNG, STATE, OPTIMIZER = "rng", "state.json", "optimizer.safetensors"


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
    found = (p for p in folder.glob("step-*") if (p / STATE).is_file())
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
        save_file(tensors, temporary / OPTIMIZER)
        (temporary / STATE).write_text(json.dumps(asdict(state)))
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
    """The state of a checkpoint.

    Raises:
        TrainingError: the file is damaged.
    """
    with _damage(path):
        values = read_json(path / STATE)
        kinds = {f.name: type(getattr(State(), f.name)) for f in fields(State)}
        if values.keys() != kinds.keys():
            raise ModelError(f"{STATE} has {sorted(values)}, wanted {sorted(kinds)}")
        for name, kind in kinds.items():
            wanted = int | float if kind is float else kind
            if not isinstance(values[name], wanted) or isinstance(values[name], bool):
                raise ModelError(f"{STATE} has {name} = {values[name]!r}, wanted a {kind.__name__}")
        return State(**values)


def load_optimizers(path: Path, optimizers: list[torch.optim.Optimizer]) -> None:
    """Restore optimizer state and the random generator from a checkpoint.

    Raises:
        TrainingError: the file is damaged, or of other optimizers.
    """
    with _damage(path):
        tensors = read_tensors(path / OPTIMIZER)
        random = tensors.pop(RNG, None)
        if random is None:
            raise ModelError(f"{OPTIMIZER} holds no {RNG}")
        for name, tensor in tensors.items():
            if tensor.is_floating_point():
                refuse_nan(path, name, tensor)
        if wanted := _misfit(optimizers, tensors):
            raise ModelError(f"{OPTIMIZER} does not fit the optimizers of this recipe: {wanted}")
        try:
            torch.set_rng_state(random)
        except (RuntimeError, TypeError) as error:
            raise ModelError(f"{OPTIMIZER} holds no state of a random generator: {error}") from None
    load_state_tensors(optimizers, tensors)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """What is wrong with a file of a checkpoint, and how to go on without it."""
    try:
        yield
    except ModelError as error:
        raise TrainingError(
            f"the checkpoint {path.name} is damaged: {error.message}",
            hint=f"remove {path}; --resume then goes on from the checkpoint before it",
        ) from None


def _misfit(optimizers: list[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> str:
    """The first tensor of a state that belongs to no parameter, or has not its shape; empty where all fit."""
    shapes: dict[str, torch.Size] = {}
    for i, optimizer in enumerate(optimizers):
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        shapes |= {f"{i}.{number}": p.shape for number, p in enumerate(parameters)}
    for name, tensor in tensors.items():
        place = ".".join(name.split(".", 2)[:2])
        if name.count(".") < 2 or place not in shapes:
            return f"no parameter for {name}"
        if tensor.dim() and tensor.shape != shapes[place]:
            return f"{name} has shape {list(tensor.shape)}, its parameter {list(shapes[place])}"
    return ""
