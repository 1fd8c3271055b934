"""`sibao fit`: counts are exact, nothing is allocated, and what cannot be is refused."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from tests.tiny import tiny_config, tiny_folder

from sibao.choosing import machine
from sibao.choosing.machine import Place
from sibao.core.config import settings
from sibao.core.errors import BadInput, ContextOverflow, ModelError
from sibao.core.system import peak_memory_bytes
from sibao.engine.native.library import missing
from sibao.models.folder import family_of, load_model
from sibao.providers.load import load
from sibao.workflows import fit as workflow
from sibao.workflows.fit import Fit, fit
from sibao.workflows.fit_tables import show

LARGE = {
    "model_type": "qwen3", "vocab_size": 151936, "hidden_size": 8192, "num_hidden_layers": 80,
    "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 29568,
    "max_position_embeddings": 40960, "tie_word_embeddings": False,
}  # fmt: skip


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine of 16 GB with a base that is stated: measuring it starts processes."""
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(workflow, "base_bytes", lambda: {"inference": 250_000_000, "training": 350_000_000})
    monkeypatch.setattr(workflow, "look", lambda folder: Place(16 * 10**9, 12 * 10**9, 100 * 10**9))
    monkeypatch.setattr(machine, "_MATRIX_BYTES", 2**20)


def written(tmp_path: Path, **keys: Any) -> Path:
    """A config.json alone."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(keys))
    return file


def test_a_folder_is_counted_exactly(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    found = fit(str(folder), context=64)
    assert found.shape.parameters == sum(p.numel() for p in load_model(folder).parameters())
    assert found.shape.cached == 2 * 2 * 2 * 16  # keys and values, layers, heads, width
    assert found.shape.weight_bytes("fp32") == 4 * found.shape.parameters
    assert [need.precision for need in found.needs] == ["fp32", "bf16", "int8", "int4"] and all(
        map(found.fits, found.needs)
    )
    assert all(need.most == found.shape.context == 128 for need in found.needs)
    assert [need.file > 0 for need in found.needs] == [False, True, True, True]  # stored as fp32, converted for others


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_whole_numbers_are_counted_as_they_are_kept(tmp_path: Path, precision: str) -> None:
    if missing():
        pytest.skip("no compiler")
    found = fit("mini", precision=precision)
    load("mini", precision=precision)
    (kept,) = (settings().home / "cache" / "packed").iterdir()
    assert kept.stat().st_size == pytest.approx(found.shape.weight_bytes(precision), rel=0.01)
    assert found.needs[0].weights == found.shape.weight_bytes(precision) and found.rates[0].bandwidth > 0
    with pytest.raises(BadInput, match="int8 is for decoders"):
        fit(config=written(tmp_path, model_type="bert", **family_of("bert").TINY), precision="int8")


def test_seventy_billion_parameters_from_a_config_alone(tmp_path: Path) -> None:
    before = peak_memory_bytes()
    found = fit(config=written(tmp_path, **LARGE), context=1024)
    assert peak_memory_bytes() - before < 600 * 2**20
    layer = 2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 29568 + 2 * 8192 + 2 * 128
    assert found.shape.parameters == 80 * layer + 2 * 151936 * 8192 + 8192
    assert not any(map(found.fits, [*found.needs, *found.training]))
    assert all(need.most == 0 for need in [*found.needs, *found.training])
    assert found.rates[0].bandwidth > 0


def test_ways_of_training_are_in_the_order_of_what_they_need(tmp_path: Path) -> None:
    small = LARGE | {"num_hidden_layers": 6, "hidden_size": 256, "intermediate_size": 768, "num_attention_heads": 4,
                     "num_key_value_heads": 2, "vocab_size": 4096}  # fmt: skip
    found = {need.name: need for need in fit(config=written(tmp_path, **small), context=256, batch=2).training}
    assert found["full, AdamW"].total > found["full, Muon"].total > found["LoRA"].total > found["QLoRA"].total
    assert found["DoRA"].total > found["LoRA"].total
    full = found["full, AdamW"]
    assert full.optimizer == 2 * full.weights == 2 * full.gradients
    assert full.most % 2 == 0 and full.most > 2


def test_what_is_printed_is_what_is_known(tmp_path: Path) -> None:
    from rich.console import Console

    found = fit(config=written(tmp_path, **tiny_config("qwen3", 400, 128)), precision="fp32")
    paper = StringIO()
    Console(file=paper, width=200).print(show(found))
    shown = paper.getvalue()
    assert f"{found.shape.parameters:,}" in shown and "QLoRA" in shown and "16 GB, 12 GB free" in shown
    assert json.loads(json.dumps(found.to_json()))["context"] == 128


def test_a_disk_or_a_card_that_is_too_small(tmp_path: Path) -> None:
    found: Fit = fit(config=written(tmp_path, **tiny_config("qwen3", 400, 128)), precision="fp32")
    small = Fit(found.name, found.shape, 128, 1, Place(10**9, 10**9, 10, (("card", 10**6),)), [], found.training, [])
    way = small.to_json()["training"][0]
    assert way["fits"] and not way["fits_disk"] and not way["fits_accelerator"]


def test_mistakes(tmp_path: Path) -> None:
    config = written(tmp_path, **tiny_config("qwen3", 400, 128))
    for name, file in ((None, None), ("mini", config)):
        with pytest.raises(BadInput, match="wanted one of them"):
            fit(name, config=file)
    with pytest.raises(BadInput, match="is no file"):
        fit(config=tmp_path / "none.json")
    with pytest.raises(BadInput, match="got the precision 'fp8'"):
        fit(config=config, precision="fp8")
    with pytest.raises(ContextOverflow, match="need 129 tokens, the model holds 128"):
        fit(config=config, context=129)


@pytest.mark.parametrize("keys", [{"num_hidden_layers": 10**9}, {"hidden_size": 10**18}, {"vocab_size": 2**62}])
def test_sizes_that_no_network_has(tmp_path: Path, keys: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=r"at most 10000 are read|sizes that no network can have"):
        fit(config=written(tmp_path, **(LARGE | keys)))


def test_a_family_of_transformers(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    keys = {"model_type": "bloom", "vocab_size": 100, "hidden_size": 32, "n_layer": 2, "n_head": 4}
    found = fit(config=written(tmp_path, **keys))
    assert found.shape.kind == "transformers" and found.training == [] and found.shape.parameters > 100 * 32
    with pytest.raises(ModelError, match="neither Sibao nor Transformers"):
        fit(config=written(tmp_path, model_type="nonesuch"))
