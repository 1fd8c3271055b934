"""Model folders that are damaged or made to do harm: each ends in one ModelError, soon, in little memory."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tests.tiny import tiny_folder
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.core.system import peak_memory_bytes
from sibao.models.folder import load_model, save_model
from sibao.models.weights import MAX_HEADER, read_json
from sibao.text.tokenizer import Tokenizer

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that loads; not to be changed."""
    return tiny_folder(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def expected(sound: Path) -> Tensor:
    """What the sound model says."""
    return logits(sound)


@torch.no_grad()
def logits(folder: Path) -> Tensor:
    """What a model says after twelve tokens."""
    model = load_model(folder)
    return model.logits(model(torch.arange(12)[None]))


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    target = tmp_path / "model"
    target.mkdir()
    for path in sound.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def refused(folder: Path, message: str) -> ModelError:
    """The one error of a folder; it took little memory and wrote nothing."""
    before, names = peak_memory_bytes(), sorted(p.name for p in folder.iterdir())
    with pytest.raises(ModelError, match=message) as caught:
        load_model(folder)
    assert peak_memory_bytes() - before < 100 * 2**20
    assert sorted(p.name for p in folder.iterdir()) == names
    return caught.value


def parts(folder: Path) -> tuple[dict[str, Any], bytes]:
    """Header and numbers of the weights."""
    data = (folder / WEIGHTS).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def write(folder: Path, header: dict[str, Any] | bytes, numbers: bytes, length: int | None = None) -> None:
    """Weights with that header, and a length of it that may be a lie."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if length is None else length
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", size) + text + numbers)


@pytest.mark.parametrize("length", [2**64 - 1, 2**40, MAX_HEADER + 1, 10**6, 3, 0])
def test_a_header_that_lies_about_its_length(folder: Path, length: int) -> None:
    header, numbers = parts(folder)
    write(folder, header, numbers, length)
    assert refused(folder, "model.safetensors cannot be read").hint == "the file is damaged; copy it again"


NORM, OTHER = "model.norm.weight", "model.layers.0.input_layernorm.weight"


def overlap(header: dict[str, Any]) -> None:
    header[NORM]["data_offsets"] = header[OTHER]["data_offsets"]


def outside(header: dict[str, Any]) -> None:
    size = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    header[NORM]["data_offsets"] = [size + 2**40, size + 2**40 + 128]


def backwards(header: dict[str, Any]) -> None:
    header[NORM]["data_offsets"].reverse()


def negative(header: dict[str, Any]) -> None:
    header[NORM]["data_offsets"] = [-128, 0]


def huge(header: dict[str, Any]) -> None:
    header[NORM]["shape"] = [2**62, 2**62]


def kind(header: dict[str, Any]) -> None:
    header[NORM]["dtype"] = "F512"


def hole(header: dict[str, Any]) -> None:
    del header[NORM]


@pytest.mark.parametrize("change", [overlap, outside, backwards, negative, huge, kind, hole])
def test_a_header_that_lies_about_its_tensors(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    header, numbers = parts(folder)
    change(header)
    write(folder, header, numbers)
    refused(folder, "model.safetensors cannot be read")


def test_a_header_nested_without_end(folder: Path) -> None:
    write(folder, b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", b"")
    refused(folder, "model.safetensors cannot be read")


@pytest.mark.parametrize("where", ["header", "numbers"])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_flipped_bits(folder: Path, sound: Path, expected: Tensor, where: str, data: st.DataObject) -> None:
    """A flip in the header changes nothing or is refused. One in the numbers that leaves finite ones cannot be known."""
    good = bytearray((sound / WEIGHTS).read_bytes())
    start = 8 + struct.unpack("<Q", good[:8])[0]
    places = st.integers(0, start - 1) if where == "header" else st.integers(start, len(good) - 1)
    for place, bit in data.draw(st.lists(st.tuples(places, st.integers(0, 7)), min_size=1, max_size=3)):
        good[place] ^= 1 << bit
    (folder / WEIGHTS).write_bytes(good)
    try:
        found = logits(folder)
    except ModelError as error:
        assert error.message
    else:
        assert where == "numbers" or torch.equal(found, expected)


@pytest.mark.parametrize(
    "keys",
    [
        {"hidden_size": 10**9},
        {"num_hidden_layers": 10**9},
        {"vocab_size": 10**12},
        {"intermediate_size": 10**10},
        {"head_dim": 10**9},
        {"num_attention_heads": 10**9, "num_key_value_heads": 10**9},
        {"num_hidden_layers": 20, "hidden_size": 400, "intermediate_size": 400},
    ],
    ids=lambda keys: ",".join(keys),
)
def test_a_config_that_asks_for_more_than_the_weights_hold(folder: Path, keys: dict[str, int]) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | keys))
    error = refused(folder, "config.json has|tensors missing")
    assert "do not belong together" in error.hint or "at most 10000 are read" in error.message


def test_a_context_of_a_trillion_positions_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 10**12}))
    refused(folder, "config.json has max_position_embeddings = 1000000000000")


def sharded(folder: Path) -> dict[str, Any]:
    """Make the weights several files; gives the index."""
    save_model(load_model(folder), folder, "qwen3", shard_bytes=20_000)
    index: dict[str, Any] = json.loads((folder / f"{WEIGHTS}.index.json").read_text())
    return index


def test_an_index_that_points_outside(folder: Path, sound: Path) -> None:
    index = sharded(folder)
    key = next(iter(index["weight_map"]))
    for place in (f"../{sound.name}/{WEIGHTS}", str(sound / WEIGHTS)):
        index["weight_map"][key] = place
        (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
        refused(folder, "a file outside the folder")


def test_a_tensor_that_two_shards_hold(folder: Path) -> None:
    index = sharded(folder)
    first, second = sorted(set(index["weight_map"].values()))[:2]
    tensors: dict[str, Tensor] = load_file(folder / second) | dict([next(iter(load_file(folder / first).items()))])
    save_file(tensors, folder / second)
    refused(folder, "which another file holds too")


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_a_link_out_of_the_folder(folder: Path, sound: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to(sound / name)
    assert refused(folder, f"{name} is a link out of its folder").hint == "put the file itself into the folder"


def test_the_links_of_a_hub_cache_are_fine(sound: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for path in sound.iterdir():
        (blobs / f"hash-of-{path.name}").write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(f"../../blobs/hash-of-{path.name}")
    assert load_model(snapshot).config == load_model(sound).config
    assert Tokenizer.load(snapshot).encode("春眠") == Tokenizer.load(sound).encode("春眠")
    (blobs / f"hash-of-{WEIGHTS}").unlink()
    (blobs / f"hash-of-{WEIGHTS}").symlink_to(sound / WEIGHTS)
    refused(snapshot, "is a link out of its folder")


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_pipes_devices_folders_and_circles_are_no_files(folder: Path, name: str) -> None:
    path = folder / name
    path.unlink()
    os.mkfifo(path)  # opening it would wait for ever
    refused(folder, f"{name} is no ordinary file")
    path.unlink()
    path.symlink_to("/dev/zero")
    refused(folder, f"{name} is a link out of its folder")
    path.unlink()
    path.symlink_to(name)
    refused(folder, f"{name} cannot be read|{name} does not exist")
    path.unlink()
    path.mkdir()
    refused(folder, f"{name} is no ordinary file")


def test_json_that_is_too_large_or_too_deep(folder: Path) -> None:
    with (folder / "config.json").open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    refused(folder, "config.json has 1099511627776 bytes")
    (folder / "config.json").write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(ModelError, match="nested too deeply"):
        read_json(folder / "config.json")


def test_every_half_precision_is_searched_for_infinity(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        changed = {key: value.to(dtype) for key, value in tensors.items()}
        save_file(changed, folder / WEIGHTS)
        assert load_model(folder).embed_tokens.weight.dtype == dtype
        for bad in (torch.nan, torch.inf, -torch.inf):
            changed[NORM][-1] = bad
            save_file(changed, folder / WEIGHTS)
            refused(folder, f"{NORM} holds NaN or infinity")
        changed[NORM][-1] = 1.0


def test_weights_at_odd_places_in_the_file(folder: Path, sound: Path) -> None:
    header, numbers = parts(folder)
    for spaces in range(4):
        write(folder, json.dumps(header).encode() + b" " * spaces, numbers)
        assert torch.equal(load_model(folder).norm.weight, load_model(sound).norm.weight)
