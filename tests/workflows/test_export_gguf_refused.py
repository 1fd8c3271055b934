"""What has no place in a GGUF file ends in one clear error, and leaves nothing behind."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from tests.gguf_models import FULL, SLIDING, gguf_folder
from tests.tiny import tiny_folder, tiny_tokenizer

from sibao.core.errors import MissingPackage, ModelError
from sibao.workflows.export import Options, export


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))


LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 32,
    "beta_fast": 4.0,
}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("gpt2", {"activation_function": "gelu"}, "llama.cpp's gpt2 has no activation = 'gelu', only 'gelu_tanh'"),
    ("qwen2", {"head_dim": 16}, "llama.cpp's qwen2 has no 4 heads of 16 in a model 32 wide"),
    ("qwen3", {"attention_bias": True}, "llama.cpp's qwen3 has no qkv_bias = True, only False"),
    (
        "qwen3",
        {"use_sliding_window": True, "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]},
        "llama.cpp's qwen3 has no sliding",
    ),
    ("qwen3", {"rope_parameters": LLAMA3}, "llama.cpp's qwen3 has no rope scaling Llama3"),
    ("llama", {"rope_parameters": YARN}, "llama.cpp's llama has no rope scaling Yarn"),
    ("phi3", {"rope_parameters": LINEAR}, "llama.cpp's phi3 has no rope scaling Linear"),
    ("qwen3_moe", {"mlp_only_layers": [1]}, "llama.cpp's qwen3moe has no layers without experts"),
    ("qwen3_moe", {"norm_topk_prob": False}, "llama.cpp's qwen3moe has no norm_topk_prob = False, only True"),
    ("gemma2", {"query_pre_attn_scalar": 8}, "llama.cpp's gemma2 has no query_pre_attn_scalar = 8 in a model of 2"),
    ("gemma2", {"attn_logit_softcapping": None}, "llama.cpp's gemma2 has no attention_softcap = None, only a number"),
    ("gemma2", {"layer_types": [FULL, SLIDING]}, "llama.cpp's gemma2 has no such row of windows"),
    ("gemma2", {"tie_word_embeddings": False}, "llama.cpp's gemma2 has no tie_word_embeddings = False"),
    ("llama", {"hidden_act": "gelu"}, "llama.cpp's llama has no activation = 'gelu', only 'silu'"),
]


@pytest.mark.parametrize(("family", "extra", "message"), REFUSED, ids=[m[12:48] for _, _, m in REFUSED])
def test_what_llama_cpp_would_compute_otherwise_is_refused(
    family: str, extra: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = gguf_folder(tmp_path / "model", family, **extra)
    with pytest.raises(ModelError) as caught:
        export(str(folder), tmp_path / "out", Options(format="gguf"))
    assert caught.value.message.startswith(message) and "--format hf" in caught.value.hint
    assert [p.name for p in tmp_path.iterdir() if "home" not in p.name] == ["model"]


def test_without_the_package_the_install_line_is_given(
    qwen_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("sibao.workflows._export_gguf.find_spec", lambda name: None if name == "gguf" else found(name))
    with pytest.raises(MissingPackage, match="GGUF files needs the package gguf") as caught:
        export(str(qwen_folder), tmp_path / "out", Options(format="gguf"))
    assert "sibao[gguf]" in caught.value.hint and not (tmp_path / "out").exists()


def test_a_tokenizer_larger_than_the_model_is_refused(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model", vocab=320)
    tiny_tokenizer(400).save(folder)
    with pytest.raises(ModelError, match=r"has 400 tokens, the model's embedding 320 rows|tokenizer"):
        export(str(folder), tmp_path / "out", Options(format="gguf"))
