"""The weights of a model on disk: safetensors files, read strictly and written atomically. Pickles are refused."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.core.paths import atomic_path, model_file, write_text
from sibao.models.base import Rename, fill, matcher, split_fused
from sibao.nn.network import Network

SHARD_BYTES = 4 * 10**9
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
MAX_JSON, MAX_HEADER = 64 * 2**20, 64 * 2**20
"""Bytes of a JSON file, and of the header of a safetensors file, above which it is refused: ten times what the largest
published models have."""
DAMAGED = "the file is damaged; copy it again"
_BUFFERS = (".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq", "embeddings.position_ids")
"""Ends of names of tensors in published files that are computed, not learned."""
MAX_POSITIONS = 1 << 24
"""A longer context than this is refused: published ones end at ten million."""
_EXPONENT = {
    torch.bfloat16: (torch.int16, 0x7F80),
    torch.float16: (torch.int16, 0x7C00),
    torch.float32: (torch.int32, 0x7F800000),
    torch.float64: (torch.int64, 0x7FF0000000000000),
}
"""Precision of stored weights → the whole numbers of that width, and their bits that are the exponent."""
_PIECE = 1 << 18
"""Bytes of weights looked at at once: they stay in a core's own cache."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file, or a ModelError that names the file."""
    try:
        data = json.loads(model_file(path, MAX_JSON).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{path} does not exist", hint="a model folder holds config.json and model.safetensors"
        ) from None
    except RecursionError:
        raise ModelError(f"{path} is nested too deeply", hint="the file is damaged; copy it again") from None
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise ModelError(f"{path} holds a {type(data).__name__}, wanted a JSON object")
    return data


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder: one, or the shards its index names."""
    single = folder / SINGLE
    if os.path.lexists(single):
        return [weight_file(single)]
    if os.path.lexists(folder / INDEX):
        weight_map = read_json(folder / INDEX).get("weight_map")
        if not isinstance(weight_map, dict) or not all(isinstance(s, str) for s in weight_map.values()):
            raise ModelError(f"{folder / INDEX} has no usable weight_map", hint="copy it again")
        names = sorted(set(weight_map.values()))
        if outside := [s for s in names if Path(s).name != s]:
            raise ModelError(
                f"{folder / INDEX} names {outside[0]!r}, a file outside the folder",
                hint="put the file itself into the folder, and its bare name into the index",
            )
        paths = [folder / s for s in names]
        missing = [p.name for p in paths if not os.path.lexists(p)]
        if missing or not paths:
            raise ModelError(f"{folder} lacks the shards {', '.join(missing) or '(none named)'}", hint="copy it again")
        return [weight_file(p) for p in paths]
    if list(folder.glob("*.bin")) or list(folder.glob("*.pt*")):
        raise ModelError(f"{folder} holds pickled weights only; they are refused", hint="convert them to safetensors")
    raise ModelError(f"{folder} holds no model.safetensors", hint="the copy is not complete")


def weight_file(path: Path) -> Path:
    """The same path, once it is sure that it may be opened: an ordinary file of its folder, and the length of its header,
    its first eight bytes, is one that can be.

    Raises:
        ModelError: it may not, or is not there.
    """
    try:
        with model_file(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}", hint=DAMAGED) from None
    if length > min(MAX_HEADER, path.stat().st_size):
        raise ModelError(f"{path} cannot be read: it says that its header has {length} bytes", hint=DAMAGED)
    return path


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of one safetensors file, memory-mapped: no number of them is read yet.

    Raises:
        ModelError: it may not be opened (see ``weight_file``), is not there, damaged or no safetensors.
    """
    try:
        with safe_open(weight_file(path), framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError) as error:
        raise ModelError(f"{path} cannot be read: {error}", hint=DAMAGED) from None


def open_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of the checkpoint under their names in it, memory-mapped: no number of them is read yet.

    Raises:
        ModelError: a file is missing, damaged or no safetensors, or two files hold the same tensor.
    """
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder):
        found = {key: tensor for key, tensor in read_tensors(path).items() if not key.endswith(_BUFFERS)}
        if twice := sorted(found.keys() & tensors.keys()):
            raise ModelError(f"{path} holds {twice[0]}, which another file holds too", hint="copy the folder again")
        tensors |= found
    return tensors


def refuse_lies(folder: Path, config: Any, tensors: dict[str, Tensor]) -> None:
    """Refuse a config.json with sizes that no tensor of the checkpoint has, before a network of that shape is made.

    What it misses (a product of two sizes that are there, each in another tensor) is caught when the shapes are compared;
    until then no memory of the network is touched.

    Raises:
        ModelError: more layers, or something wider, than the files hold.
    """
    widest = max((max(t.shape, default=1) for t in tensors.values()), default=0)
    for name, value in _sizes(config):
        most = len(tensors) if "layers" in name else max(widest, len(tensors))
        if name == "max_position_embeddings":
            most = max(widest, MAX_POSITIONS)
        if value > most:
            raise ModelError(
                f"{folder}: config.json has {name} = {value}, but the weights are {len(tensors)} tensors of at most "
                f"{widest} rows or columns",
                hint="config.json and the weights do not belong together",
            )


def _sizes(config: Any) -> Iterator[tuple[str, int]]:
    """Every number of a shape that memory or work grows with."""
    words = ("layers", "size", "dim", "heads", "experts", "count", "ffn", "buckets", "max_position")
    for name, value in vars(config).items():
        if is_dataclass(value):
            yield from _sizes(value)
        elif isinstance(value, int) and any(word in name for word in words):
            yield name, value


def named_weights(
    folder: Path, tensors: dict[str, Tensor], renames: tuple[Rename, ...], model: Network
) -> dict[str, Tensor]:
    """Tensors of the checkpoint under the network's names, each as the network wants it; tied ones are left out.

    Raises:
        ModelError: a tensor that the family does not have, too many or too few, a shape that config.json does not ask
            for. No number is read.
    """
    wanted = {k: v.shape for k, v in model.state_dict().items()}
    match = matcher(renames, lambda r: r.checkpoint)
    state: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        # some published files lack the outer prefix
        found = match(key) or match(f"transformer.{key}") or match(f"model.{key}")
        if found is None:
            raise ModelError(f"{folder}: the weights hold a tensor {key!r} that the family does not have")
        names = [fill(n, found[1]) for n in found[0].fused]
        _refuse_layer(folder, key, names, wanted)
        sizes = [wanted[n][0] if n in wanted else 0 for n in names]
        try:
            parts = split_fused(found[0], found[1], tensor, sizes)
        except RuntimeError:
            raise _misshapen(folder, key, tensor, sum(sizes), transposed=found[0].transpose) from None
        if twice := sorted(parts.keys() & state.keys()):
            raise ModelError(f"{folder}: two tensors of the weights stand for {twice[0]}", hint="copy the folder again")
        state |= parts
    state = {k: v for k, v in state.items() if k not in model.tied}
    _check(folder, state, {k: v for k, v in wanted.items() if k not in model.tied})
    return state


def _check(folder: Path, state: dict[str, Tensor], wanted: dict[str, torch.Size]) -> None:
    missing, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or extra:
        raise ModelError(
            f"{folder}: {len(missing)} tensors missing ({', '.join(missing[:3])}), "
            f"{len(extra)} too many ({', '.join(extra[:3])})",
            hint="config.json and the weights do not belong together",
        )
    for key, shape in wanted.items():
        if state[key].shape != shape:
            got, asked = list(state[key].shape), list(shape)
            raise ModelError(
                f"{folder}: {key} has shape {got}, config.json wants {asked}"
                + contradicted(read_json(folder / "config.json"), got, asked)
            )


def _misshapen(folder: Path, key: str, tensor: Tensor, rows: int, *, transposed: bool) -> ModelError:
    """A tensor that cannot be cut into the parts that config.json asks for, ``rows`` in all."""
    got = list(tensor.shape)
    asked = [*got[:-1], rows] if transposed else [rows, *got[1:]]
    return ModelError(
        f"{folder}: {key} has shape {got}, config.json wants {asked}"
        + contradicted(read_json(folder / "config.json"), got, asked),
        hint="config.json and the weights do not belong together",
    )


def _refuse_layer(folder: Path, key: str, names: list[str], wanted: dict[str, torch.Size]) -> None:
    """Refuse a tensor of a layer above the last that config.json asks for."""
    found = re.match(r"(.*?\blayers\.)(\d+)\.", names[0]) if names else None
    if found is None or any(name.startswith(found[0]) for name in wanted):
        return
    count = len({name[len(found[1]) :].partition(".")[0] for name in wanted if name.startswith(found[1])})
    config = read_json(folder / "config.json")
    said = [f"{k} = {v}" for k, v in config.items() if "layer" in k and v == count and not isinstance(v, bool)]
    raise ModelError(
        f"{folder}: the file has layer {found[2]} ({key}), config.json says {', '.join(said) or f'{count} layers'}",
        hint="config.json and the weights do not belong together",
    )


def contradicted(config: dict[str, Any], got: list[int], wanted: list[int]) -> str:
    """The keys of a config.json that a tensor's shape speaks against, in brackets: those with the number that is wanted,
    else with a half, third or quarter of it (fused tensors); empty where there is none."""
    odd = {w for g, w in zip(got, wanted, strict=True) if g != w} if len(got) == len(wanted) else set(wanted)
    sizes = {
        k: v
        for k, v in config.items()
        if isinstance(v, int) and not isinstance(v, bool) and v > 1 and not k.endswith("_token_id")
    }
    for times in (1, 2, 3, 4):
        if found := [f"{k} = {v}" for k, v in sizes.items() if v * times in odd]:
            return f" ({', '.join(found)})"
    return ""


def refuse_nan(folder: Path, key: str, tensor: Tensor) -> None:
    """Refuse a tensor that holds NaN or infinity, or no real numbers at all.

    These are the numbers whose exponent bits are all ones. One pass, in pieces that stay in the cache: several
    times as fast as a sum, and it cannot overflow.

    Raises:
        ModelError: it does; ``key`` is named.
    """
    if tensor.dtype not in _EXPONENT:
        raise ModelError(f"{folder}: {key} is stored as {tensor.dtype}; quantised weights are not supported")
    whole, bits = _EXPONENT[tensor.dtype]
    for piece in tensor.reshape(-1).view(whole).split(_PIECE // whole.itemsize):
        if piece.numel() and int((piece & bits).amax()) == bits:
            raise ModelError(f"{folder}: {key} holds NaN or infinity", hint="the file is damaged, or training diverged")


def write_shards(folder: Path, tensors: dict[str, Tensor], shard_bytes: int) -> None:
    """``model.safetensors``, or numbered shards of at most ``shard_bytes`` with their index; older weights go."""
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for key, tensor in tensors.items():
        if shards[-1] and size + tensor.nbytes > shard_bytes:
            shards.append({})
            size = 0
        shards[-1][key] = tensor
        size += tensor.nbytes
    names = [SINGLE]
    if len(shards) > 1:
        names = [f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        with atomic_path(folder / name) as temporary:
            save_file(shard, temporary, metadata={"format": "pt"})
    if len(shards) > 1:
        index = {
            "metadata": {"total_size": sum(t.nbytes for t in tensors.values())},
            "weight_map": {key: name for name, shard in zip(names, shards, strict=True) for key in shard},
        }
        write_text(folder / INDEX, json.dumps(index, indent=2) + "\n")
    _remove_stale(folder, names)


def _remove_stale(folder: Path, names: list[str]) -> None:
    """Weights of an earlier save in the same folder: a reader would take them for the new ones."""
    if len(names) == 1:
        (folder / INDEX).unlink(missing_ok=True)
    for path in [folder / SINGLE, *folder.glob("model-*-of-*.safetensors")]:
        if path.name not in names:
            path.unlink(missing_ok=True)
