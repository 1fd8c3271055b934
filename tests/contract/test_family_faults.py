"""Model folders that are damaged, unsafe or of a kind that is not implemented: each refusal and its message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.contract.test_families import read_shape
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
        ({"quantization_config": {"bits": 4}}, r"does not know: quantization_config"),
        ({"model_type": "mamba"}, r"model_type 'mamba' is not implemented"),
        ({"model_type": None}, r"names no model_type"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, r"rope scaling 'linear'; supported: 'default'"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, r"rope scaling 'yarn'; supported: 'default'"),
        ({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}, r"not know: partial_rotary_factor"),
        ({"rope_parameters": 3}, r"rope_parameters = 3; wanted an object"),
        ({"hidden_size": None}, r"lacks 'hidden_size'"),
        ({"hidden_size": "32"}, r"a value of the wrong kind|hidden_size is '32'"),
        ({"num_attention_heads": 0}, r"wrong kind|num_attention_heads is 0"),
        ({"num_key_value_heads": 3}, r"4 query heads cannot share 3 key/value heads"),
        ({"head_dim": 15}, r"head_dim 15 is odd"),
        ({"hidden_act": "relu"}, r"hidden_act = 'relu'; supported: 'silu'"),
        ({"use_sliding_window": True}, r"sliding windows in some layers"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, r"sliding windows in some layers"),
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
        (_stranger, r"model.safetensors holds a tensor 'visual.weight' that the family does not have"),
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
        ({"weight_map": {"a": "../../etc/passwd"}}, r"lacks the shards passwd"),
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
