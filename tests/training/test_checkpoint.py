"""Checkpoints: whole or not there at all, the last k and the best kept, and a full disk harms none of the old ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
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


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def outside(path: Path) -> None:
    path.rename(path.parent.parent / f"kept-{path.name}")
    path.symlink_to(path.parent.parent / f"kept-{path.name}")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE = {"cut": cut, "link out": outside, "pipe": pipe, "gone": Path.unlink}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["state.json", "optimizer.safetensors"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, name: str, damage: str) -> None:
    optimizers = one_optimizer()
    path = save(tmp_path, State(step=3), write_weights, optimizers, 2)
    DAMAGE[damage](path / name)
    drawn, names = torch.get_rng_state(), sorted(p.name for p in path.iterdir())
    with pytest.raises(TrainingError, match=f"step-000003 is damaged: .*{name}") as caught:
        read_state(path)
        load_optimizers(path, optimizers)
    assert caught.value.hint == f"remove {path}; --resume then goes on from the checkpoint before it"
    assert torch.equal(torch.get_rng_state(), drawn) and sorted(p.name for p in path.iterdir()) == names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": "3"}, "step = '3', wanted a int"),
        ({"losses": None}, "losses = None"),
        ({"step": True}, "step = True"),
        ({"extra": 1}, "wanted"),
    ],
)
def test_a_state_that_lies(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = save(tmp_path, State(step=3), write_weights, one_optimizer(), 2)
    (path / "state.json").write_text(json.dumps(json.loads((path / "state.json").read_text()) | change))
    with pytest.raises(TrainingError, match=message):
        read_state(path)


def test_an_optimizer_state_that_does_not_fit(tmp_path: Path) -> None:
    optimizers = one_optimizer()
    path = save(tmp_path, State(step=3), write_weights, optimizers, 2) / "optimizer.safetensors"
    good = load_file(path)
    key = "0.0.exp_avg"
    for tensors, message in [
        ({k: t for k, t in good.items() if k != "rng"}, "holds no rng"),
        (good | {"rng": good["rng"][:7].clone()}, "no state of a random generator"),
        (good | {"rng": good["rng"].float()}, "no state of a random generator"),
        (good | {key: good[key].t().contiguous()}, r"has shape \[3, 2\], its parameter \[2, 3\]"),
        (good | {"0.9.exp_avg": good[key].clone()}, "no parameter for 0.9.exp_avg"),
        (good | {"odd": good[key].clone()}, "no parameter for odd"),
        (good | {key: good[key] / 0}, f"{key} holds NaN or infinity"),
    ]:
        save_file(tensors, path)
        with pytest.raises(TrainingError, match=message):
            load_optimizers(path.parent, optimizers)
    save_file(good, path)
    load_optimizers(path.parent, optimizers)
