"""Which provider a name leads to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sibao.core.errors import BadInput, ModelError, UnknownName
from sibao.core.types import GenerateOptions, Model, Sampling, Scorer
from sibao.providers.load import load, providers
from sibao.providers.local import LocalModel


def test_a_folder_becomes_a_local_model(qwen_folder: Path) -> None:
    model = load(str(qwen_folder))
    assert isinstance(model, LocalModel) and isinstance(model, Model) and isinstance(model, Scorer)
    assert model.name == str(qwen_folder) and model.context == 128


@pytest.mark.parametrize(
    ("precision", "dtype"), [("auto", torch.float32), ("bf16", torch.bfloat16), ("fp32", torch.float32)]
)
def test_precision(qwen_folder: Path, precision: str, dtype: torch.dtype) -> None:
    model = load(str(qwen_folder), precision=precision)
    assert isinstance(model, LocalModel) and next(model.engine.model.parameters()).dtype == dtype


@pytest.mark.parametrize("name", ["nowhere:gpt-x", "no-such-kind://host:1/v1#m"])
def test_providers_that_are_not_there_are_named(name: str) -> None:
    with pytest.raises(UnknownName, match="no provider in this version named '") as caught:
        load(name)
    assert "mock" in caught.value.hint and caught.value.exit_code == 2


def test_a_folder_wins_over_a_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mock:echo").mkdir()
    with pytest.raises((ModelError, BadInput)):
        load("mock:echo")


def test_options_that_do_not_fit_are_refused(qwen_folder: Path) -> None:
    with pytest.raises(UnknownName, match="no precision named 'bf61'") as caught:
        load(str(qwen_folder), precision="bf61")
    assert "bf16" in caught.value.hint
    with pytest.raises(BadInput, match="threads is 0"):
        load(str(qwen_folder), threads=0)
    with pytest.raises(BadInput, match="does not run in this process"):
        load("mock:echo", precision="bf16")


def test_threads_are_set(qwen_folder: Path) -> None:
    before = torch.get_num_threads()
    try:
        load(str(qwen_folder), threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_mocks_load_no_torch() -> None:
    code = (
        "import sys; from sibao.providers.load import load; load('mock:echo').generate(['a']);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert "mock" in providers() and "load" not in providers()


def test_devices(qwen_folder: Path) -> None:
    with pytest.raises(UnknownName, match="no device named 'gpu'"):
        load(str(qwen_folder), device="gpu")
    many = torch.cuda.device_count() if torch.cuda.is_available() else 0
    with pytest.raises(BadInput, match=f"the device is cuda:{many}, and there are {many} GPUs here"):
        load(str(qwen_folder), device=f"cuda:{many}")
    with pytest.raises(BadInput, match="runs on the CPU: int8 is computed there"):
        load(str(qwen_folder), device="cuda", precision="int8")
    with pytest.raises(BadInput, match="runs on the CPU: int8 keys and values"):
        load(str(qwen_folder), device="cuda", kv_cache="int8")
    with pytest.raises(BadInput, match="device is for models that write on Sibao's own engine"):
        load("mock:echo", device="cuda")
    model: Any = load(str(qwen_folder), device="cpu")
    assert model.engine.runner.device == torch.device("cpu")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_deterministic_models_answer_alike_alone_and_together(qwen_folder: Path, precision: str) -> None:
    model: Any = load(str(qwen_folder), precision=precision, deterministic=True)
    assert model.engine.runner.exact
    prompts = ["春眠不觉晓", "The quick brown fox", "床前明月光，疑是地上霜。"]
    options = GenerateOptions(max_tokens=12, sampling=Sampling(logprobs=1))
    together = model.generate(prompts, options)
    for prompt, one in zip(prompts, together, strict=True):
        (alone,) = model.generate([prompt], options)
        assert (alone.text, alone.logprobs) == (one.text, one.logprobs)


def test_what_cannot_be_deterministic_is_refused(qwen_folder: Path) -> None:
    with pytest.raises(BadInput, match="deterministic is for models that write on Sibao's own engine"):
        load("mock:echo", deterministic=True)
    # half precision has no kernels: PyTorch's operators compute
    model: Any = load(str(qwen_folder), precision="fp16", deterministic=True)
    assert type(model.engine.runner).__name__ == "TorchRunner" and model.engine.runner.exact
    plain: Any = load(str(qwen_folder), precision="fp16")
    assert not plain.engine.runner.exact
