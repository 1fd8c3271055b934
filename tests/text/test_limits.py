"""Tokenizers that would take all memory, or that fit no embedding."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.tiny import tiny_folder

from sibao.core.errors import ModelError
from sibao.providers.load import load
from sibao.text.tokenizer import Tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder to damage."""
    return tiny_folder(tmp_path / "model")


def edit(folder: Path, **keys: Any) -> None:
    """Set keys of tokenizer.json."""
    file = folder / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | keys), encoding="utf-8")


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
def test_a_file_of_a_terabyte(folder: Path, name: str) -> None:
    with (folder / name).open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    with pytest.raises(ModelError, match=f"{name} has 1099511627776 bytes"):
        Tokenizer.load(folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "generation_config.json"])
def test_pipes_and_links(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(ModelError, match=f"{name} is no ordinary file"):
        Tokenizer.load(folder)
    (folder / name).unlink()
    (tmp_path / name).write_text("{}")
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(ModelError, match=f"{name} is a link out of its folder"):
        Tokenizer.load(folder)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is a link to nothing"):
        Tokenizer.load(folder)


def test_replacements_that_double_a_text_forty_times(folder: Path) -> None:
    rule = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    edit(folder, normalizer={"type": "Sequence", "normalizers": [rule] * 40})
    with pytest.raises(ModelError, match="more than 64 times as long"):
        Tokenizer.load(folder)
    edit(folder, normalizer={"type": "Sequence", "normalizers": [rule | {"content": "▁"}] * 40})
    assert Tokenizer.load(folder).decode(Tokenizer.load(folder).encode("a春")) == "▁春"
    edit(folder, normalizer=None, decoder={"type": "Sequence", "decoders": [rule] * 40})
    with pytest.raises(ModelError, match="more than 64 times as long"):
        Tokenizer.load(folder)


def test_lengths_to_pad_or_cut_to_are_not_obeyed(folder: Path) -> None:
    padding = {
        "strategy": {"Fixed": 10**12}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
        "pad_token": "<|endoftext|>",
    }  # fmt: skip
    before = Tokenizer.load(folder).encode("春眠不觉晓")
    edit(folder, padding=padding)
    assert Tokenizer.load(folder).encode("春眠不觉晓") == before
    cut = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    edit(folder, padding=None, truncation=cut)
    assert Tokenizer.load(folder).encode("春眠不觉晓") == before


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_json_nested_without_end(folder: Path, name: str) -> None:
    (folder / name).write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(ModelError, match=r"cannot be read|not a JSON object"):
        Tokenizer.load(folder)


def test_a_tokenizer_larger_than_the_embedding(folder: Path) -> None:
    added = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    extra = [added[0] | {"id": 400 + i, "content": f"<|多{i}|>"} for i in range(3)]
    edit(folder, added_tokens=[*added, *extra])
    with pytest.raises(ModelError, match=r"ids go up to 402, the model has embeddings for 0 to 399"):
        load(str(folder))
