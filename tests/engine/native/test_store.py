"""Packed weights on disk: mapped and not copied, made anew when they do not fit, never half-written."""

from __future__ import annotations

import logging
import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.engine.native.steps import logits_of
from tests.tiny import tiny_folder

from sibao.core.types import GenerateOptions
from sibao.engine.build import build, build_packed
from sibao.engine.native import store
from sibao.engine.native.library import missing
from sibao.models.folder import load_model
from sibao.nn.decoder import Decoder
from sibao.providers.load import load

pytestmark = pytest.mark.skipif(bool(missing()), reason="no compiler")
ROWS = [[5, 9, 30, 2], [7]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    return tiny_folder(tmp_path / "小模型")


def packed(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "home" / "cache" / "packed").iterdir())


def opened(folder: Path, precision: str, reads: list[str]) -> Any:
    """The engine's runner; ``reads`` gets an entry when the checkpoint is asked for."""

    def network() -> Decoder:
        reads.append(precision)
        return load_model(folder)

    config = load_model(folder).config
    return build_packed(config, precision, [folder / "model.safetensors"], network).runner


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_the_second_time_no_weight_of_the_checkpoint_is_read(folder: Path, tmp_path: Path, precision: str) -> None:
    reads: list[str] = []
    wanted = logits_of(build(load_model(folder), precision=precision, kernels=True).runner, ROWS)
    for count in (1, 1):
        runner = opened(folder, precision, reads)
        assert all(torch.equal(a, b) for a, b in zip(logits_of(runner, ROWS), wanted, strict=True))
        assert len(reads) == count
        assert all(t.data_ptr() % 64 == 0 for t in runner.weights.tensors.values())
        starts = {t.untyped_storage().data_ptr() for t in runner.weights.tensors.values()}
        assert len(starts) == 1 and not starts.pop() % 4096, "one file, mapped"
    assert len(packed(tmp_path)) == 1
    assert runner.model.config == runner.config and len(reads) == 2, "PyTorch's form is made when it is asked for"


def test_another_checkpoint_precision_or_kernel_is_another_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    opened(folder, "int8", reads)
    opened(folder, "int4", reads)
    assert len(packed(tmp_path)) == 2
    first = packed(tmp_path)
    changed = load_model(tiny_folder(tmp_path / "other", seed=7))
    shutil.copyfile(tmp_path / "other" / "model.safetensors", folder / "model.safetensors")
    runner = opened(folder, "int8", reads)
    wanted = logits_of(build(changed, precision="int8", kernels=True).runner, ROWS)
    assert torch.equal(logits_of(runner, ROWS)[0], wanted[0]), "the weights are the new ones"
    assert len(packed(tmp_path)) == 2 and packed(tmp_path) != first, "what is old is removed"
    monkeypatch.setattr(store, "version", lambda: "other kernels")
    opened(folder, "int8", reads)
    assert reads == ["int8", "int4", "int8", "int8"] and len(packed(tmp_path)) == 2


@pytest.mark.parametrize("change", ["nothing", "release", "family", "network"])
def test_what_other_code_has_made_is_made_anew(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    reads: list[str] = []
    for part in ("models", "nn", "engine"):
        shutil.copytree(store.PACKAGE / part, tmp_path / "package" / part, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(store, "PACKAGE", tmp_path / "package")
    store._code.cache_clear()
    opened(folder, "int8", reads)
    if change == "release":
        monkeypatch.setattr(store, "__version__", "another")
    elif change != "nothing":
        name = {"family": "models/qwen3.py", "network": "nn/lora.py"}[change]
        with (tmp_path / "package" / name).open("a", encoding="utf-8") as file:
            file.write("# a rule more\n")
    store._code.cache_clear()
    opened(folder, "int8", reads)
    store._code.cache_clear()
    assert len(reads) == (1 if change == "nothing" else 2)


def test_what_is_damaged_is_made_anew(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reads: list[str] = []
    wanted = logits_of(opened(folder, "int8", reads), ROWS)
    path = packed(tmp_path)[0]
    whole = path.read_bytes()
    index = whole.rindex(b'{"')
    faults = [b"", whole[:10], whole[:5000], whole[:-1], whole + b"x", b"\0" * len(whole), b"safetensors" + whole[11:]]
    faults += [whole.replace(b'"offset": 4096', b'"offset": 4160'), whole[:index] + b"[" + whole[index + 1 :]]
    for number, fault in enumerate(faults):
        path.unlink()
        path.write_bytes(fault)
        caplog.clear()
        runner = opened(folder, "int8", reads)
        assert len(reads) == number + 2 and "anew" in caplog.text
        assert torch.equal(logits_of(runner, ROWS)[0], wanted[0]) and path.read_bytes() == whole


def test_a_full_disk_is_a_warning(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reads: list[str] = []
    wanted = logits_of(build(load_model(folder), precision="int4", kernels=True).runner, ROWS)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: usage(1, 1, 100))
    with caplog.at_level(logging.WARNING):
        runner = opened(folder, "int4", reads)
    assert "not kept" in caplog.text and not packed(tmp_path)
    assert torch.equal(logits_of(runner, ROWS)[0], wanted[0])


def test_a_folder_that_cannot_be_written_is_a_warning(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "home" / "cache").mkdir(parents=True)
    (tmp_path / "home" / "cache" / "packed").write_text("a file in its place")
    assert logits_of(opened(folder, "int8", []), ROWS) and "not kept" in caplog.text


def test_loading_by_name_uses_the_file(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = GenerateOptions(max_tokens=12)
    first = load(str(folder), precision="int8").generate(["北京"], options)
    import sibao.models.folder as models

    def never(*args: Any, **more: Any) -> Any:
        raise AssertionError("the checkpoint was read")

    monkeypatch.setattr(models, "load_network", never)
    assert load(str(folder), precision="int8").generate(["北京"], options)[0].text == first[0].text
    os.utime(folder / "model.safetensors", ns=(1, 1))
    with pytest.raises(AssertionError):
        load(str(folder), precision="int8")


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_without_a_compiler_the_tokens_are_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    prompts, options = ["北京", "The city of", "春眠不觉晓"], GenerateOptions(max_tokens=16)
    wanted = [answer.text for answer in load(str(folder), precision=precision).generate(prompts, options)]
    for name in ("missing", "missing_now"):
        monkeypatch.setattr(f"sibao.engine.build.{name}", lambda: "there is no C++ compiler")
    model: Any = load(str(folder), precision=precision)
    assert type(model.engine.runner).__name__ == "TorchRunner"
    assert [answer.text for answer in model.generate(prompts, options)] == wanted
