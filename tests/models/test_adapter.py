"""Adapters on disk: what Sibao saves loads in PEFT with the same logits, and the other way round."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sibao.core.errors import BadInput, ModelError
from sibao.models.adapter import adapt, load_adapter, save_adapter, sites
from sibao.models.base import Keys
from sibao.models.folder import family_of, load_model, save_model
from sibao.nn.decoder import Decoder
from sibao.nn.lora import LoraSpec, adapted, add_lora, merge_lora

IDS = torch.tensor([[5, 9, 33, 60, 2, 41]])
SPECS = {
    "lora": LoraSpec(3, 5),
    "dora": LoraSpec(3, 5, dora=True),
    "rslora": LoraSpec(4, 5, rslora=True),
}


def base(folder: Path, family: str) -> Path:
    keys = family_of(family).TINY | {"initializer_range": 0.3}
    model = Decoder(family_of(family).read(Keys(keys)))
    model.initialize(1)
    save_model(model, folder, family)
    return folder


def spread(model: Decoder) -> None:
    """Make adapters that change something."""
    torch.manual_seed(0)
    with torch.no_grad():
        for layer in adapted(model).values():
            nn.init.normal_(layer.lora_B, std=0.2)
            if layer.magnitude is not None:
                layer.magnitude.mul_(torch.empty_like(layer.magnitude).uniform_(0.7, 1.4))


@torch.no_grad()
def logits(model: Decoder) -> torch.Tensor:
    return model.logits(model(IDS))


def theirs(folder: Path, adapter: Path) -> torch.Tensor:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    model = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), str(adapter)).eval()
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits
    return found


CHECKED = [(f, v) for f in ("llama", "gpt2") for v in SPECS] + [(f, "dora") for f in ("phi3", "gemma2", "qwen3_moe")]
COUNTS = {"llama": 14, "gpt2": 8, "phi3": 8, "gemma2": 21}


@pytest.mark.parametrize(("family", "variant"), CHECKED)
def test_ours_in_peft(tmp_path: Path, family: str, variant: str) -> None:
    """GPT-2 keeps queries, keys and values as one matrix, [in, out]; Phi-3 as [out, in], and gate and up as one too."""
    folder = base(tmp_path / "base", family)
    model = load_model(folder)
    plain = logits(model)
    names = adapt(model, family, [], SPECS[variant])
    assert len(names) == COUNTS.get(family, len(names)) and not any(".experts." in name for name in names)
    spread(model)
    changed = logits(model.eval())
    assert (changed - plain).abs().max() > 1e-2
    save_adapter(model, tmp_path / "adapter", family, str(folder))
    assert (theirs(folder, tmp_path / "adapter") - changed).abs().max() < 1e-4
    again = load_model(folder)
    load_adapter(again, tmp_path / "adapter", family)
    assert torch.equal(logits(again.eval()), changed)
    save_adapter(again, tmp_path / "second", family, str(folder))
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "second" / name).read_bytes() == (tmp_path / "adapter" / name).read_bytes()
    merge_lora(again)
    assert (logits(again) - changed).abs().max() < 1e-4


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "all-linear": ("llama", {"r": 3, "target_modules": "all-linear"}),
    "regex": ("llama", {"r": 3, "target_modules": r".*layers\.1\..*_proj", "use_dora": True}),
    "patterns": (
        "llama",
        {
            "r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj", "down_proj"], "use_rslora": True,
            "rank_pattern": {"q_proj": 2, r"layers\.1\.mlp\.down_proj": 5}, "alpha_pattern": {"v_proj": 3},
        },
    ),
    "fused": ("gpt2", {"r": 3, "target_modules": ["c_attn", "mlp.c_proj"], "use_dora": True, "fan_in_fan_out": True}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_theirs_here_and_back(tmp_path: Path, case: str) -> None:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    family, options = CASES[case]
    folder = base(tmp_path / "base", family)
    torch.manual_seed(0)
    config = peft.LoraConfig(task_type="CAUSAL_LM", **options)
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
            elif "magnitude" in name:
                parameter.mul_(torch.empty_like(parameter).uniform_(0.7, 1.4))
        want = model(IDS).logits
    model.save_pretrained(tmp_path / "adapter")
    ours = load_model(folder)
    load_adapter(ours, tmp_path / "adapter", family)
    assert (logits(ours.eval()) - want).abs().max() < 1e-4
    save_adapter(ours, tmp_path / "back", family, str(folder))
    assert (theirs(folder, tmp_path / "back") - want).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peft_type": "IA3"}, "peft_type = 'IA3'; supported: 'LORA'"),
        ({"bias": "all"}, "bias = 'all'"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save = "),
        ({"lora_bias": True}, "lora_bias = True"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights = 'pissa'"),
        ({"use_qalora": True}, "use_qalora = True"),
        ({"rank_pattern": {"q_proj": 7}}, "wanted"),
        ({"r": "many"}, "is not usable"),
        ({"use_dora": True}, "wanted"),
    ],
)
def test_what_would_compute_something_else_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    model = load_model(base(tmp_path / "base", "llama"))
    adapt(model, "llama", ["q_proj"], LoraSpec(3, 5))
    save_adapter(model, tmp_path / "a", "llama", "base")
    path = tmp_path / "a" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        load_adapter(load_model(tmp_path / "base"), tmp_path / "a", "llama")


def test_damaged_and_foreign_weights(tmp_path: Path) -> None:
    folder = base(tmp_path / "base", "llama")
    model = load_model(folder)
    adapt(model, "llama", ["q_proj"], LoraSpec(3, 5))
    save_adapter(model, tmp_path / "a", "llama", "base")
    path = tmp_path / "a" / "adapter_model.safetensors"
    good = load_file(path)
    key = sorted(good)[0]
    for tensors, message in [
        ({**good, key: good[key] * float("nan")}, "NaN"),
        ({k: t for k, t in good.items() if k != key}, "wanted"),
        ({**good, key.replace("q_proj", "lm_head"): good[key].clone()}, "fits no layer"),
        ({}, "no adapted layer"),
    ]:
        save_file(tensors, path)
        with pytest.raises(ModelError, match=message):
            load_adapter(load_model(folder), tmp_path / "a", "llama")
    path.write_bytes(b"{" * 40)
    with pytest.raises(ModelError, match="cannot be read"):
        load_adapter(load_model(folder), tmp_path / "a", "llama")


def test_targets(tmp_path: Path) -> None:
    model = load_model(base(tmp_path / "base", "gpt2"))
    assert next(s.parts for s in sites(model, "gpt2").values()) == tuple(f"layers.0.self_attn.{p}_proj" for p in "qkv")
    with pytest.raises(BadInput, match="no layer named q_proj") as error:
        adapt(model, "gpt2", ["q_proj"], LoraSpec(3, 5))
    assert error.value.hint == "layers: c_attn, c_fc, c_proj"
    for wrong in ("(", "nothing"):
        with pytest.raises(BadInput, match=r"no regular expression|no layer's name fits"):
            adapt(model, "gpt2", wrong, LoraSpec(3, 5))
    assert adapt(model, "gpt2", "all-linear", LoraSpec(3, 5)) == list(sites(model, "gpt2"))


def test_a_part_of_a_fused_layer_has_no_form_on_disk(tmp_path: Path) -> None:
    model = load_model(base(tmp_path / "base", "gpt2"))
    add_lora(model, ["q_proj"], 2, 4)
    with pytest.raises(BadInput, match="one part of a fused layer"):
        save_adapter(model, tmp_path / "a", "gpt2", "base")
    with pytest.raises(BadInput, match="carries no adapter"):
        save_adapter(load_model(tmp_path / "base"), tmp_path / "a", "gpt2", "base")
