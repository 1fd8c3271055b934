"""Folders that Transformers would take without a word, or refuse without a reason: each is refused by name."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sibao.core.errors import ModelError
from sibao.providers.load import load
from sibao.providers.transformers import TransformersModel

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, qwen_folder: Path) -> Path:
    """A model of a family that only Transformers has; not to be changed."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    folder = tmp_path_factory.mktemp("neox")
    torch.manual_seed(0)
    shape = GPTNeoXConfig(
        vocab_size=400, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=64,
    )  # fmt: skip
    GPTNeoXForCausalLM(shape).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(qwen_folder / name, folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(sound, tmp_path / "model"))


def edit(folder: Path, **keys: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | keys))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json", "config.json", "generation_config.json"])
def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to("../outside")
    with pytest.raises(ModelError, match=rf"{name} is a link out of its folder"):
        load(f"transformers:{folder}")


def test_a_linked_folder_of_templates_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "additional_chat_templates").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="additional_chat_templates is a link out of its folder"):
        load(f"transformers:{folder}")


def test_links_of_a_hub_cache_are_followed(sound: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "abc"
    shutil.copytree(sound, blobs)
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(f"../../blobs/{path.name}")
    assert isinstance(load(f"transformers:{snapshot}"), TransformersModel)


def test_a_key_that_nobody_knows(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit(folder, magic_of_mine=7, rotary_emb_base=10000, masked_softmax_fusion=True)
    with pytest.raises(ModelError, match=r"knows for gpt_neox: magic_of_mine$"):
        load(str(folder))
    with caplog.at_level(logging.WARNING):
        assert isinstance(load(f"transformers:{folder}"), TransformersModel)
    assert "keys that Transformers does not use: magic_of_mine" in caplog.text


@pytest.mark.parametrize("prefix", ["", "transformers:"])
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"magic_of_mine": False}, r"knows for qwen3: magic_of_mine"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "bogus": 3}}, r"know.*: .*bogus"),
        ({"rope_parameters": {"rope_type": "spiral"}}, r"rope scaling 'spiral', which neither Sibao nor Transformers"),
    ],
)
def test_keys_of_an_own_family_are_never_dropped(
    qwen_folder: Path, tmp_path: Path, prefix: str, keys: dict[str, Any], message: str
) -> None:
    folder = Path(shutil.copytree(qwen_folder, tmp_path / "model"))
    edit(folder, **keys)
    with pytest.raises(ModelError, match=message):
        load(f"{prefix}{folder}")


def test_tensors_that_belong_to_no_layer(folder: Path) -> None:
    rewrite(folder, lambda t: t.update({"gpt_neox.layers.0.attention.masked_bias": torch.tensor(-1e9)}))
    assert isinstance(load(f"transformers:{folder}"), TransformersModel)
    rewrite(folder, lambda t: t.update({"gpt_neox.layers.7.bogus.weight": torch.ones(2)}))
    with pytest.raises(ModelError, match=r"1 tensors that belong to no layer \(gpt_neox.layers.7.bogus.weight\)"):
        load(f"transformers:{folder}")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"hidden_size": 64}, r"embed_in.weight has shape \[400, 32\] in the file, config.json wants \[400, 64\] \(hidden_"),
        ({"vocab_size": 10**10}, r"wants \[10000000000, 32\] \(vocab_size = 10000000000\)"),
        ({"num_hidden_layers": 10**6}, r"num_hidden_layers = 1000000; at most"),
    ],
)  # fmt: skip
def test_sizes_that_lie_are_named(folder: Path, keys: dict[str, Any], message: str) -> None:
    edit(folder, **keys)
    with pytest.raises(ModelError, match=message):
        load(f"transformers:{folder}")
