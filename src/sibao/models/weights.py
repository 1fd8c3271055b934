"""The weights of a model on disk: safetensors files, read strictly and written atomically. Pickles are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.core.paths import atomic_path, write_text
from sibao.models.base import Rename, fill, matcher, split_fused
from sibao.nn.network import Network

SHARD_BYTES = 4 * 10**9
INDEX = "model.safetensors.index.json"
_BUFFERS = (".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq", "embeddings.position_ids")
"""Ends of names of tensors in published files that are computed, not learned."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file, or a ModelError that names the file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{path} does not exist", hint="a model folder holds config.json and model.safetensors"
        ) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise ModelError(f"{path} holds a {type(data).__name__}, wanted a JSON object")
    return data


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder: one, or the shards its index names."""
    single = folder / "model.safetensors"
    if single.is_file():
        return [single]
    if (folder / INDEX).is_file():
        weight_map = read_json(folder / INDEX).get("weight_map")
        if not isinstance(weight_map, dict) or not all(isinstance(s, str) for s in weight_map.values()):
            raise ModelError(f"{folder / INDEX} has no usable weight_map", hint="copy it again")
        paths = [folder / s for s in sorted(set(weight_map.values()))]
        missing = [p.name for p in paths if not p.is_file() or p.parent != folder]
        if missing or not paths:
            raise ModelError(f"{folder} lacks the shards {', '.join(missing) or '(none named)'}", hint="copy it again")
        return paths
    if list(folder.glob("*.bin")) or list(folder.glob("*.pt*")):
        raise ModelError(f"{folder} holds pickled weights only; they are refused", hint="convert them to safetensors")
    raise ModelError(f"{folder} holds no model.safetensors", hint="the copy is not complete")


def read_weights(folder: Path, renames: tuple[Rename, ...], model: Network) -> dict[str, Tensor]:
    """Tensors of the checkpoint under the network's names, each as the network wants it; tied ones are left out.

    Raises:
        ModelError: a tensor too many or too few, a shape that config.json does not ask for, a damaged file, NaN.
    """
    wanted = {k: v.shape for k, v in model.state_dict().items()}
    match = matcher(renames, lambda r: r.checkpoint)
    state: dict[str, Tensor] = {}
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118 - safe_open is no mapping
                    if key.endswith(_BUFFERS):
                        continue
                    # some published files lack the outer prefix
                    found = match(key) or match(f"transformer.{key}") or match(f"model.{key}")
                    if found is None:
                        raise ModelError(f"{path.name} holds a tensor {key!r} that the family does not have")
                    names = [fill(n, found[1]) for n in found[0].fused]
                    sizes = [wanted[n][0] if n in wanted else 0 for n in names]
                    state |= split_fused(found[0], found[1], file.get_tensor(key), sizes)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} cannot be read: {error}", hint="the file is damaged; copy it again") from None
        except RuntimeError as error:
            raise ModelError(f"{path}: a tensor does not fit config.json: {error}") from None
    state = {k: v for k, v in state.items() if k not in model.tied}
    _check(folder, state, {k: v for k, v in wanted.items() if k not in model.tied})
    _refuse_nan(folder, state)
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
            raise ModelError(f"{folder}: {key} has shape {list(state[key].shape)}, config.json wants {list(shape)}")


def _refuse_nan(folder: Path, state: dict[str, Tensor]) -> None:
    for key, tensor in state.items():
        if tensor.dtype not in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
            raise ModelError(f"{folder}: {key} is stored as {tensor.dtype}; quantised weights are not supported")
        # a sum is one cheap pass, and any NaN or infinity survives in it; float16 sums would overflow by themselves
        if not torch.isfinite(tensor.sum(dtype=torch.float64 if tensor.dtype == torch.float64 else torch.float32)):
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
    names = ["model.safetensors"]
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
    for path in [folder / "model.safetensors", *folder.glob("model-*-of-*.safetensors")]:
        if path.name not in names:
            path.unlink(missing_ok=True)
