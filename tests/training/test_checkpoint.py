"""Checkpoints: whole or not there at all, the last k and the best kept, and a full disk harms none of the old ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from sibao.core.errors import TrainingError
from sibao.training.checkpoint import State, checkpoints, latest, load_optimizers, read_state, save


def write_weights(folder: Path) -> None:
    (folder / "weights").write_text("w")


def one_optimizer(seed: int = 0) -> list[torch.optim.Optimizer]:
    torch.manual_seed(seed)
    layer = nn.Linear(3, 2)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer = torch.optim.AdamW(layer.parameters())
    optimizer.step()
    return [optimizer]


def names(folder: Path) -> list[str]:
    return [p.name for p in checkpoints(folder)]


def test_state_optimizer_and_random_numbers_come_back(tmp_path: Path) -> None:
    optimizers = one_optimizer()
    state = State(step=7, tokens=5, best_loss=0.1 + 0.2, best_step=7, losses=[1 / 3])
    path = save(tmp_path, state, write_weights, optimizers, 2)
    drawn = torch.rand(4)
    again = one_optimizer(seed=1)
    load_optimizers(path, again)
    assert torch.equal(torch.rand(4), drawn)
    assert read_state(path) == state
    one, two = (o[0].state_dict()["state"] for o in (optimizers, again))
    assert all(torch.equal(one[i][k], two[i][k]) for i in one for k in one[i])
    assert (path / "weights").read_text() == "w"
    assert read_state(save(tmp_path, State(step=8), write_weights, optimizers, 2)).best_loss == float("inf")


def test_the_last_ones_and_the_best_are_kept(tmp_path: Path) -> None:
    optimizers = one_optimizer()
    for step in range(1, 7):
        save(tmp_path, State(step=step, best_step=2), write_weights, optimizers, 2)
    assert names(tmp_path) == ["step-000002", "step-000005", "step-000006"]
    save(tmp_path, State(step=1_000_000, best_step=6), write_weights, optimizers, 1)
    assert names(tmp_path) == ["step-000006", "step-1000000"]
    assert latest(tmp_path).name == "step-1000000"  # by number, not by spelling


def test_what_is_half_written_or_half_removed_does_not_count(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no complete checkpoint"):
        latest(tmp_path)
    optimizers = one_optimizer()
    save(tmp_path, State(step=1), write_weights, optimizers, 3)
    (tmp_path / ".step-000002.part").mkdir()
    (tmp_path / "step-000003").mkdir()
    assert latest(tmp_path).name == "step-000001"
    save(tmp_path, State(step=3), write_weights, optimizers, 3)
    assert names(tmp_path) == ["step-000001", "step-000003"]
    assert not list(tmp_path.glob(".step-*"))


def test_a_model_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    optimizers = one_optimizer()
    save(tmp_path, State(step=1), write_weights, optimizers, 1)

    def fail(folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match="step-000002 could not be written: No space left on device") as caught:
        save(tmp_path, State(step=2), fail, optimizers, 1)
    assert "--resume" in caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["step-000001"]


FULL = """
import resource, signal, sys
from pathlib import Path
import torch
from sibao.core.errors import TrainingError
from sibao.models.base import Keys
from sibao.models.folder import family_of, save_model
from sibao.nn.decoder import Decoder
from sibao.training.checkpoint import State, save
folder, size = Path(sys.argv[1]), int(sys.argv[2])
model = Decoder(family_of("qwen3").read(Keys(family_of("qwen3").TINY)))
model.initialize(0)
optimizer = torch.optim.AdamW(model.parameters())
for p in model.parameters():
    p.grad = torch.ones_like(p)
optimizer.step()
write = lambda path: save_model(model, path, "qwen3")
save(folder, State(step=1), write, [optimizer], 1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    save(folder, State(step=2), write, [optimizer], 1)
except TrainingError as error:
    print(error.message)
    sys.exit(3)
"""


@pytest.mark.parametrize("size", [4_000, 120_000])
def test_a_file_that_cannot_grow_ends_in_one_message(size: int, tmp_path: Path) -> None:
    """A limit on file sizes stands for a full disk: first the model does not fit, then the optimizer."""
    import sibao

    process = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(size)],
        env={"PYTHONPATH": str(Path(sibao.__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert process.returncode == 3, process.stderr
    assert "checkpoint step-000002 could not be written" in process.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["step-000001"]
    assert json.loads((tmp_path / "step-000001" / "state.json").read_text())["step"] == 1
    from sibao.models.folder import load_model

    load_model(tmp_path / "step-000001")
