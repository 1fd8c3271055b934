"""Adapter folders that are damaged or made to do harm: one clear error, soon, in little memory, and nothing written."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.test_adapter import base

from sibao.core.errors import ModelError
from sibao.core.system import peak_memory_bytes
from sibao.models.adapter import CONFIG, WEIGHTS, adapt, load_adapter, save_adapter
from sibao.models.folder import load_model
from sibao.nn.lora import LoraSpec, adapted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model; not to be changed."""
    return base(tmp_path_factory.mktemp("base"), "llama")


@pytest.fixture
def adapter(folder: Path, tmp_path: Path) -> Path:
    """A sound adapter of it, to damage."""
    model = load_model(folder)
    adapt(model, "llama", ["q_proj", "down_proj"], LoraSpec(3, 5))
    save_adapter(model, tmp_path / "a", "llama", str(folder))
    return tmp_path / "a"


def refused(folder: Path, adapter: Path, message: str) -> None:
    """The one error; the model stays without an adapter."""
    model = load_model(folder)
    before, names = peak_memory_bytes(), sorted(p.name for p in adapter.iterdir())
    with pytest.raises(ModelError, match=message):
        load_adapter(model, adapter, "llama")
    assert peak_memory_bytes() - before < 100 * 2**20
    assert sorted(p.name for p in adapter.iterdir()) == names and not adapted(model)


def outside(path: Path) -> None:
    path.rename(path.parent.parent / path.name)
    path.symlink_to(path.parent.parent / path.name)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def folder_of_that_name(path: Path) -> None:
    path.unlink()
    path.mkdir()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def gone(path: Path) -> None:
    path.unlink()


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "link out": (outside, "is a link out of its folder"),
    "pipe": (pipe, "is no ordinary file"),
    "circle": (circle, "cannot be read"),
    "folder": (folder_of_that_name, "is no ordinary file"),
    "cut": (cut, "cannot be read|is not valid JSON"),
    "gone": (gone, "cannot be read|does not exist"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
def test_files_that_are_none(folder: Path, adapter: Path, name: str, fault: str) -> None:
    damage, message = FAULTS[fault]
    damage(adapter / name)
    refused(folder, adapter, message)


def test_every_flipped_bit_of_the_header_is_refused_or_changes_nothing(folder: Path, adapter: Path) -> None:
    """The header says where each tensor lies: a flip that is not noticed (in a key that nobody reads) may not move one."""
    path = adapter / WEIGHTS
    sound, wanted = path.read_bytes(), load_file(path)
    length = struct.unpack("<Q", sound[:8])[0]
    model, told = load_model(folder), 0
    for place in range(0, 8 + length, 7):
        data = bytearray(sound)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        try:
            load_adapter(model, adapter, "llama")
        except ModelError:
            told += 1
            continue
        layers = list(adapted(model).values())
        again = {id(layer.lora_A): layer.lora_A for layer in layers}.values()
        kept = [t for k, t in wanted.items() if "lora_A" in k]
        assert all(any(torch.equal(a, k) for k in kept) for a in again)
        model = load_model(folder)
    assert told > 0.8 * (8 + length) / 7


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_one_number_that_is_none(folder: Path, adapter: Path, value: float, dtype: torch.dtype) -> None:
    tensors = {k: t.to(dtype) for k, t in load_file(adapter / WEIGHTS).items()}
    key = sorted(tensors)[-1]
    tensors[key].view(-1)[-1] = value
    save_file(tensors, adapter / WEIGHTS)
    refused(folder, adapter, f"{key} holds NaN or infinity")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": 10**12}, "wanted"),
        ({"r": 0}, "rank 0"),
        ({"r": -3}, "rank -3"),
        ({"lora_alpha": float("nan")}, "alpha nan"),
        ({"lora_alpha": 1e999}, "alpha inf"),
        ({"lora_dropout": 1.5}, "dropout 1.5"),
        ({"modules_to_save": "classifier"}, "wanted a list of names"),
    ],
)
def test_a_config_that_lies(folder: Path, adapter: Path, change: dict[str, object], message: str) -> None:
    path = adapter / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refused(folder, adapter, message)


def test_numbers_that_are_codes(folder: Path, adapter: Path) -> None:
    tensors = load_file(adapter / WEIGHTS)
    save_file({k: t.to(torch.int8) for k, t in tensors.items()}, adapter / WEIGHTS)
    refused(folder, adapter, "stored as torch.int8")
