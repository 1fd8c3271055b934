"""A real training process, killed and resumed: the losses must be those of a run that nobody disturbed, to the bit."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.training.small import logged, recipe_data, run, run_folder, start, write_corpus, write_recipe

STEPS = 60


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill")
    corpus = write_corpus(folder / "corpus.jsonl")
    data = recipe_data(corpus, schedule={"steps": STEPS}, run={"samples": ["the old", "春天"], "save_every": 4})
    return write_recipe(folder / "recipe.toml", data)


@pytest.fixture(scope="module")
def undisturbed(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    home = tmp_path_factory.mktemp("undisturbed")
    code, out, err = run("new", str(recipe), home)
    assert (code, out) == (0, "done"), err
    return home, logged(home)


def kill_when(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """kill -9 as soon as ``ready`` says so."""
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, f"it ended before it could be killed: {process.communicate()}"
        assert time.monotonic() < deadline
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def log_lines(home: Path) -> int:
    files = list(home.glob("runs/*/log.jsonl"))
    return files[0].read_bytes().count(b"\n") if files else 0


def in_checkpoint(home: Path, after: int) -> bool:
    """Whether a checkpoint is being written after step ``after``."""
    return any(int(p.name[6:12]) > after for p in home.glob("runs/*/checkpoints/.step-*.part"))


def newest(home: Path) -> int:
    return max([int(p.name[5:]) for p in home.glob("runs/*/checkpoints/step-*")], default=0)


@pytest.mark.slow
def test_killed_four_times_the_losses_are_the_same_to_the_bit(
    recipe: Path, undisturbed: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    rng = random.Random(20)
    first = start("new", str(recipe), tmp_path)
    kill_when(first, lambda: log_lines(tmp_path) >= 2)  # most often before the first checkpoint
    for kill in range(3):
        process = start("resume", run_folder(tmp_path).name, tmp_path)
        if kill % 2:
            done = newest(tmp_path) + rng.randint(0, 5)
            kill_when(process, lambda done=done: in_checkpoint(tmp_path, done))  # type: ignore[misc]
        else:
            lines = log_lines(tmp_path) + rng.randint(1, 9)
            kill_when(process, lambda lines=lines: log_lines(tmp_path) >= lines)  # type: ignore[misc]
    assert newest(tmp_path) < STEPS, "it was never killed late enough to matter"
    code, out, err = run("resume", run_folder(tmp_path).name, tmp_path)
    assert (code, out) == (0, "done"), err
    home, expected = undisturbed
    assert logged(tmp_path) == expected
    assert [e["step"] for e in expected if "loss" in e] == list(range(1, STEPS + 1))
    weights = [run_folder(h) / "model" / "model.safetensors" for h in (home, tmp_path)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert not list(tmp_path.glob("runs/*/checkpoints/.step-*"))


@pytest.mark.slow
def test_sigterm_ends_well_and_can_be_resumed(
    recipe: Path, undisturbed: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    process = start("new", str(recipe), tmp_path)
    while log_lines(tmp_path) < 6:
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out.strip()) == (0, "stopped"), err
    steps = [e["step"] for e in logged(tmp_path) if "loss" in e]
    assert newest(tmp_path) == steps[-1] < STEPS
    assert not (run_folder(tmp_path) / "model").exists()
    code, out, err = run("resume", run_folder(tmp_path).name, tmp_path)
    assert (code, out) == (0, "done"), err
    assert logged(tmp_path) == undisturbed[1]
