"""Configs and weights that do not belong together: the message names the file's key, the tensor and both shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sibao.core.errors import ModelError
from sibao.models.folder import family_of, load_network, new_network, parse_config, save_model, unread_keys

GPT2: dict[str, Any] = family_of("gpt2").TINY | {"model_type": "gpt2"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = new_network(parse_config(GPT2, "tiny")[1])
    model.initialize(0)
    save_model(model, tmp_path, "gpt2")
    return tmp_path


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"n_head": 0}, r"config.json: n_head is 0, wanted a whole number of at least 1"),
        ({"n_head": -4}, r"config.json: n_head is -4, wanted"),
        ({"n_layer": "two"}, r"config.json: n_layer is 'two', wanted"),
        ({"n_embd": True}, r"config.json: n_embd is True, wanted"),
        ({"n_layer": 1}, r"the file has layer 1 \(transformer\.h\.1\..*\), config.json says n_layer = 1$"),
        ({"n_embd": 64, "n_inner": 128}, r"c_attn.* has shape .*96\], config.json wants .*192\] \(n_embd = 64, "),
        ({"vocab_size": 98}, r"embed_tokens.weight has shape \[97, 32\], config.json wants \[98, 32\] \(vocab_size = 98\)"),
        ({"magic": 3}, r"does not know: magic"),
    ],
    ids=lambda v: ",".join(v) if isinstance(v, dict) else "",
)  # fmt: skip
def test_the_fault_is_named(folder: Path, keys: dict[str, Any], message: str) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"n_inner": None} | keys))
    with pytest.raises(ModelError, match=message):
        load_network(folder)


def test_keys_that_the_reader_does_not_look_at() -> None:
    assert unread_keys(GPT2 | {"magic": False, "n_ctx": 64}) == {"magic"}
    assert unread_keys(GPT2 | {"n_head": 0, "magic": 1}) >= {"magic"}
