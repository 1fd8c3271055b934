"""Model folders that are damaged, unsafe or of a kind that is not implemented: each refusal and its message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.contract.peers import read_shape
from torch import Tensor

from sibao.core.errors import ModelError, UnknownName
from sibao.models.folder import family_of, load_model, read_config, save_model
from sibao.nn.decoder import Decoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound Qwen3 folder to damage."""
    model = Decoder(read_shape("qwen3"))
    model.initialize(0)
    save_model(model, tmp_path / "model", "qwen3")
    return tmp_path / "model"


def edit(folder: Path, **keys: Any) -> None:
    """Set keys of config.json; None removes one."""
    file = folder / "config.json"
    data = json.loads(file.read_text()) | keys
    file.write_text(json.dumps({k: v for k, v in data.items() if v is not None}))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"attention_sinks": 4}, r"keys this version does not know: attention_sinks"),
        ({"quantization_config": {"bits": 4}}, r"names the method None; only compressed-tensors is read"),
        ({"model_type": "mamba"}, r"model_type 'mamba' is not implemented"),
        ({"model_type": None}, r"names no model_type"),
        (
            {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
            r"rope scaling 'dynamic'; supported: 'default', 'linear'",
        ),
        ({"rope_parameters": {"rope_type": "spiral", "factor": 4.0}}, r"rope scaling 'spiral'; supported: 'default'"),
        ({"rope_parameters": {"rope_type": "linear"}}, r"rope scaling 'linear' without factor"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 2.0}}, r"without low_freq_factor, high_freq_factor$"),
        (
            {"rope_parameters": {"rope_type": "yarn", "factor": "4"}},
            r"rope parameter factor = '4'; wanted a number above 0",
        ),
        (
            {"rope_parameters": {"rope_type": "yarn", "factor": -4}},
            r"rope parameter factor = -4; wanted a number above 0",
        ),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4, "speed": 2}}, r"does not know: speed"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 4, "beta_fast": 2}}, r"does not know: beta_fast"),
        (
            {"rope_parameters": {"rope_type": "longrope", "short_factor": [1, 2], "long_factor": [1, 2]}},
            r"scaling has 2 numbers in short_factor, wanted 8: half of the dims that are turned",
        ),
        ({"rope_theta": 0.5, "rope_parameters": None}, r"the rotary base is 0.5, wanted a number above 1"),
        ({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}, r"not know: partial_rotary_factor"),
        ({"rope_parameters": 3}, r"rope_parameters = 3; wanted an object"),
        ({"hidden_size": None}, r"lacks 'hidden_size'"),
        ({"hidden_size": "32"}, r"a value of the wrong kind|hidden_size is '32'"),
        ({"num_attention_heads": 0}, r"wrong kind|num_attention_heads is 0"),
        ({"num_key_value_heads": 3}, r"4 query heads cannot share 3 key/value heads"),
        ({"head_dim": 15}, r"head_dim 15 is odd"),
        ({"hidden_act": "relu"}, r"hidden_act = 'relu'; supported: 'silu'"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, r"sliding windows in some layers and says no size"),
        ({"layer_types": ["full_attention", "linear_attention"]}, r"layer_types with linear_attention; supported"),
        (
            {"use_sliding_window": True, "layer_types": ["full_attention"]},
            r"layer_types names 1 layers, the model has 2",
        ),
        ({"use_sliding_window": True, "sliding_window": 0}, r"sliding_window is 0, wanted a whole number"),
    ],
    ids=lambda v: ",".join(v) if isinstance(v, dict) else "",
)
def test_a_config_that_cannot_be_honoured_is_refused(folder: Path, keys: dict[str, Any], message: str) -> None:
    edit(folder, **keys)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


@pytest.mark.parametrize("key", ["scale_attn_by_inverse_layer_idx", "add_cross_attention"])
def test_variants_of_gpt2_are_refused(key: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**family_of("gpt2").TINY, "model_type": "gpt2", key: True}))
    with pytest.raises(ModelError, match=f"{key} = True; supported: False"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("family", "keys", "message"),
    [
        ("gemma2", {"use_bidirectional_attention": True}, r"use_bidirectional_attention = True; supported: False"),
        ("gemma2", {"attn_logit_softcapping": -1.0}, r"attention_softcap is -1.0, wanted a number above 0"),
        ("gemma2", {"rope_parameters": {"rope_type": "dynamic"}}, r"rope scaling 'dynamic'"),
        ("gemma3_text", {"attn_logit_softcapping": 30.0}, r"attn_logit_softcapping = 30.0; supported: None"),
        ("gemma3_text", {"rope_parameters": {"rope_theta": 1e4}}, r"wanted an object with full_attention and sliding"),
        (
            "gemma3_text",
            {"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2.0}}},
            r"rope scaling in the layers with a window",
        ),
        ("phi3", {"lm_head_bias": True}, r"lm_head_bias = True; supported: False"),
        ("phi3", {"rope_parameters": {"partial_rotary_factor": 0.6}}, r"the part 0.6 of head_dim 16, 9 dims, is odd"),
        ("phi3", {"rope_parameters": {"partial_rotary_factor": 1.5}}, r"partial_rotary_factor is 1.5, wanted above 0"),
        ("qwen3_moe", {"num_experts_per_tok": 9}, r"each token wants 9 of 5 experts"),
        ("qwen3_moe", {"moe_intermediate_size": "x"}, r"intermediate_size of experts is 'x'"),
        ("qwen3_moe", {"shared_expert_intermediate_size": 8}, r"does not know: shared_expert_intermediate_size"),
        ("mixtral", {"num_local_experts": 0}, r"count of experts is 0, wanted a whole number"),
    ],
)  # fmt: skip
def test_variants_of_other_families_are_refused(
    family: str, keys: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**family_of(family).TINY, "model_type": family, **keys}))
    with pytest.raises(ModelError, match=message):
        read_config(tmp_path)


def test_a_missing_expert_is_named(tmp_path: Path) -> None:
    model = Decoder(read_shape("qwen3_moe"))
    model.initialize(0)
    save_model(model, tmp_path, "qwen3_moe")
    rewrite(tmp_path, lambda t: t.pop("model.layers.2.mlp.experts.3.up_proj.weight"))
    with pytest.raises(ModelError, match=r"1 tensors missing \(layers.2.mlp.experts.3.up_proj.weight\), 0 too many"):
        load_model(tmp_path)


def rewrite(folder: Path, change: Any) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def _missing(t: dict[str, Tensor]) -> None:
    del t["model.layers.1.mlp.up_proj.weight"]


def _extra(t: dict[str, Tensor]) -> None:
    t["model.layers.0.self_attn.q_proj.bias"] = torch.zeros(64)


def _stranger(t: dict[str, Tensor]) -> None:
    t["visual.weight"] = torch.zeros(2)


def _shape(t: dict[str, Tensor]) -> None:
    t["model.norm.weight"] = torch.ones(31)


def _nan(t: dict[str, Tensor]) -> None:
    t["model.layers.1.mlp.down_proj.weight"][3, 4] = torch.nan


def _infinite(t: dict[str, Tensor]) -> None:
    t["model.embed_tokens.weight"][3, 4] = -torch.inf


def _bytes(t: dict[str, Tensor]) -> None:
    t["model.norm.weight"] = torch.ones(32, dtype=torch.int8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_missing, r"1 tensors missing \(layers.1.mlp.up_proj.weight\), 0 too many"),
        (_extra, r"0 tensors missing \(\), 1 too many \(layers.0.self_attn.q_proj.bias\)"),
        (_stranger, r"a tensor 'visual.weight' that the family does not have"),
        (_shape, r"norm.weight has shape \[31\], config.json wants \[32\]"),
        (_nan, r"layers.1.mlp.down_proj.weight holds NaN or infinity"),
        (_infinite, r"embed_tokens.weight holds NaN or infinity"),
        (_bytes, r"norm.weight is stored as torch.int8"),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder: Path, change: Any, message: str) -> None:
    rewrite(folder, change)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def test_large_float16_weights_are_not_taken_for_infinite(folder: Path) -> None:
    rewrite(folder, lambda t: t.update({k: torch.full_like(v, 60.0).half() for k, v in t.items()}))
    assert load_model(folder).embed_tokens.weight.sum(dtype=torch.float32) > 65504


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_refused(folder: Path, keep: float) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    with pytest.raises(ModelError, match=r"model.safetensors cannot be read") as caught:
        load_model(folder)
    assert caught.value.hint == "the file is damaged; copy it again"


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"holds no model.safetensors"):
        load_model(folder)
    torch.save({"a": torch.ones(1)}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickled weights only; they are refused") as caught:
        load_model(folder)
    assert caught.value.hint == "convert them to safetensors"


def test_a_missing_shard_is_named(folder: Path) -> None:
    model = load_model(folder)
    save_model(model, folder, "qwen3", shard_bytes=20_000)
    lost = sorted(folder.glob("model-*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(ModelError, match=f"lacks the shards {lost.name}"):
        load_model(folder)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"weight_map": {"a": "../../etc/passwd"}}, r"names .*passwd., a file outside the folder"),
        ({"weight_map": {}}, r"lacks the shards \(none named\)"),
        ({"weight_map": ["a"]}, r"no usable weight_map"),
        ({}, r"no usable weight_map"),
    ],
)
def test_a_bad_index_is_refused(folder: Path, index: dict[str, Any], message: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=message):
        load_model(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "does not exist"), ("{", "is not valid JSON"), ("[1]", "holds a list, wanted a JSON object")],
)
def test_a_bad_config_file_is_refused(folder: Path, text: str | None, message: str) -> None:
    (folder / "config.json").unlink()
    if text is not None:
        (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no model family named 'qwen4'") as caught:
        family_of("qwen4")
    assert "qwen3" in caught.value.hint


def test_old_spelling_of_the_rotary_base(folder: Path) -> None:
    edit(folder, rope_parameters=None, rope_theta=5000.0)
    assert read_config(folder)[1].rope_theta == 5000.0
    edit(folder, rope_parameters={"rope_type": "default", "rope_theta": 7000.0})
    assert read_config(folder)[1].rope_theta == 7000.0
