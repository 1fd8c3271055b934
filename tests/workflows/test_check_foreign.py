"""``check`` on families that run through Transformers: healthy folders pass, and missing, changed or untied weights show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import TEXTS, tiny_tokenizer
from tests.workflows.check_folders import copy, edit, edit_weights, failed, got, quick, status
from tests.workflows.test_encoder_adapters import TITLES, adapter_recipe
from tests.workflows.test_encoders import base_folder

from sibao.text.wordpiece import train_wordpiece
from sibao.workflows.finetune import finetune

transformers = pytest.importorskip("transformers")
ENDS = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0}
SHAPES: dict[str, dict[str, Any]] = {
    "BloomForCausalLM": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "BartForConditionalGeneration": {
        "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
        "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "decoder_start_token_id": 2, "forced_eos_token_id": 2,
    },
    "DistilBertForMaskedLM": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "DistilBertForSequenceClassification": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "DistilBertModel": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
}  # fmt: skip


def foreign(path: Path, name: str) -> Path:
    """A small folder as Transformers itself writes it, with a tokenizer that belongs to it."""
    encoder = name.startswith("DistilBert")
    made = train_wordpiece(TEXTS, 400, progress=False) if encoder else tiny_tokenizer()
    torch.manual_seed(0)
    loader = getattr(transformers, name)
    ends = {"pad_token_id": made.pad_id} if encoder else ENDS
    network = loader(loader.config_class(vocab_size=400, initializer_range=0.3, init_std=0.3, **SHAPES[name], **ends))
    network.save_pretrained(path)
    made.save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A healthy folder of each class, made once; read only."""
    home = tmp_path_factory.mktemp("foreign")
    return lambda name: home / name if (home / name).exists() else foreign(home / name, name)


@pytest.mark.parametrize("name", list(SHAPES))
def test_a_healthy_folder_passes_and_is_the_same_as_itself(name: str, folder: Callable[[str], Path]) -> None:
    report = quick(folder(name), against=str(folder(name)))
    assert failed(report) == set()
    assert status(report, "weights") == status(report, "tied_weights") == status(report, "against") == "ok"
    encoder = name.startswith("DistilBert")
    assert report.kind == ("encoder" if encoder else "decoder" if name.startswith("Bloom") else "encoder-decoder")
    names = {f.name for f in report.findings}
    assert ("cached" in names) is not encoder and ("loss_mask" in names) is name.startswith("Bloom")
    assert (" logits" in got(report, "against")) is False if name.endswith("Model") else True


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("BloomForCausalLM", "transformer.h.1.mlp.dense_h_to_4h.weight"),
        ("BartForConditionalGeneration", "model.decoder.layers.0.fc1.weight"),
        ("DistilBertForSequenceClassification", "classifier.weight"),
    ],
)
def test_weights_that_changed_are_missing_or_no_numbers(
    name: str, tensor: str, folder: Callable[[str], Path], tmp_path: Path
) -> None:
    changed = copy(folder(name), tmp_path / "changed")
    edit_weights(changed, lambda tensors: tensors[tensor].mul_(1.5))
    assert quick(changed).ok
    assert failed(quick(changed, against=str(folder(name)))) == {"against"}
    step = "replay" if "classifier" in tensor else "weights"
    edit_weights(changed, lambda tensors: tensors[tensor].fill_(float("nan")))
    report = quick(changed)
    assert failed(report) == {step} and "not numbers" in got(report, step)
    edit_weights(changed, lambda tensors: tensors.pop(tensor))
    report = quick(changed)
    assert failed(report) == {step} and tensor in got(report, step)


def test_two_tensors_that_config_calls_one(folder: Callable[[str], Path], tmp_path: Path) -> None:
    broken = copy(folder("BloomForCausalLM"), tmp_path / "broken")
    edit_weights(broken, lambda t: t.update({"lm_head.weight": t["transformer.word_embeddings.weight"] * 2}))
    assert "tied_weights" in failed(quick(broken))


def test_another_config_is_told_by_name(folder: Callable[[str], Path], tmp_path: Path) -> None:
    name = "BloomForCausalLM"
    broken = copy(folder(name), tmp_path / "broken")
    edit(broken / "config.json", layer_norm_epsilon=0.1)
    report = quick(broken, against=str(folder(name)))
    assert failed(report) == {"against_config", "against"}
    assert "layer_norm_epsilon is 0.1 here, 1e-05 there" in got(report, "against_config")


def test_a_family_that_nobody_has(folder: Callable[[str], Path], tmp_path: Path) -> None:
    broken = copy(folder("BloomForCausalLM"), tmp_path / "broken")
    edit(broken / "config.json", model_type="nonesuch")
    report = quick(broken)
    assert "neither Sibao nor Transformers" in got(report, "config") and failed(report) == {"config"}


def test_an_adapter_with_a_head_on_an_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``finetune --method lora`` makes it; the head lies in the adapter."""
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    texts = [json.loads(line)["prompt"] for line in TITLES.read_text(encoding="utf-8").splitlines()]
    base = base_folder(tmp_path / "base", texts, "bert")
    finetune(adapter_recipe(base, TITLES, 2, "lora"), quiet=True, out=tmp_path / "adapter")
    report = quick(f"{base}+{tmp_path / 'adapter'}")
    assert report.ok and "logits" in got(report, "transformers")
