"""Models on disk: Hugging Face folders, read strictly and written so that Transformers loads them unchanged.

Weights are safetensors only; pickles are refused. Knows nothing of tokenizers.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.core.names import load_module
from sibao.core.paths import atomic_path, write_text
from sibao.models.base import Keys, Rename, matcher, split_fused, to_checkpoint
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder

SHARD_BYTES = 4 * 10**9
INDEX = "model.safetensors.index.json"


def family_of(name: str) -> ModuleType:
    """The module of a family by its ``model_type``; a miss lists the nearest names."""
    return load_module("sibao.models", name, "model family")


def families() -> list[str]:
    """Names of all families: the modules of this package that define ``RENAMES``."""
    from sibao.core.names import module_names

    names = [n for n in module_names("sibao.models") if n not in ("folder", "adapter", "resolve")]
    return [n for n in names if hasattr(family_of(n), "RENAMES")]


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


def read_config(folder: Path) -> tuple[str, DecoderConfig]:
    """Family name and shape of the model in ``folder``."""
    data = read_json(folder / "config.json")
    name = data.get("model_type")
    if not isinstance(name, str):
        raise ModelError(f"{folder}/config.json names no model_type")
    if name not in families():
        raise ModelError(f"{folder}: model_type {name!r} is not implemented", hint=f"families: {', '.join(families())}")
    keys = Keys(data)
    try:
        config = family_of(name).read(keys)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelError(f"{folder}/config.json holds a value of the wrong kind: {error}") from None
    keys.finish()
    return name, config


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


def _part_sizes(config: DecoderConfig, rule: Rename) -> list[int]:
    sizes = {"q_proj": config.query_size, "k_proj": config.key_size, "v_proj": config.key_size}
    return [sizes.get(n.split(".")[-2], 0) for n in rule.fused]


def read_weights(folder: Path, name: str, config: DecoderConfig, wanted: dict[str, torch.Size]) -> dict[str, Tensor]:
    """Tensors of the checkpoint under decoder names, shapes checked against the config before any is used."""
    match = matcher(family_of(name).RENAMES, lambda r: r.checkpoint)
    state: dict[str, Tensor] = {}
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118 - safe_open is no mapping
                    # GPT-2 checkpoints carry their causal masks, and some lack the outer prefix
                    if key.endswith((".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq")):
                        continue
                    found = match(key) or match(f"transformer.{key}") or match(f"model.{key}")
                    if found is None:
                        raise ModelError(f"{path.name} holds a tensor {key!r} that {name} does not have")
                    state |= split_fused(found[0], found[1], file.get_tensor(key), _part_sizes(config, found[0]))
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} cannot be read: {error}", hint="the file is damaged; copy it again") from None
        except RuntimeError as error:
            raise ModelError(f"{path}: a tensor does not fit config.json: {error}") from None
    return _checked(folder, config, state, wanted)


def _checked(
    folder: Path, config: DecoderConfig, state: dict[str, Tensor], wanted: dict[str, torch.Size]
) -> dict[str, Tensor]:
    if config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
        wanted = {k: v for k, v in wanted.items() if k != "lm_head.weight"}
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
    return state


def load_model(folder: Path | str, dtype: torch.dtype | None = None) -> Decoder:
    """The model in a Hugging Face folder.

    Args:
        dtype: precision of the weights in memory; None keeps that of the file.

    Raises:
        ModelError: unknown family or key, damaged or missing weights, shapes that do not fit, NaN or infinity.
    """
    folder = Path(folder)
    name, config = read_config(folder)
    try:
        model = Decoder(config)  # its memory stays untouched; the checkpoint's tensors take its place
    except RuntimeError as error:
        raise ModelError(f"{folder}: config.json asks for more memory than there is: {error}") from None
    wanted = {k: v.shape for k, v in model.state_dict().items()}
    state = read_weights(folder, name, config, wanted)
    if dtype is not None:
        state = {k: v.to(dtype) for k, v in state.items()}
    _refuse_nan(folder, state)
    if config.tie_word_embeddings:
        state["lm_head.weight"] = state["embed_tokens.weight"]
    model.load_state_dict(state, assign=True)
    if config.tie_word_embeddings:
        model.lm_head.weight = model.embed_tokens.weight
    return model.eval()


def _refuse_nan(folder: Path, state: dict[str, Tensor]) -> None:
    for key, tensor in state.items():
        if tensor.dtype not in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
            raise ModelError(f"{folder}: {key} is stored as {tensor.dtype}; quantised weights are not supported")
        # a sum is one cheap pass, and any NaN or infinity survives in it; float16 sums would overflow by themselves
        if not torch.isfinite(tensor.sum(dtype=torch.float64 if tensor.dtype == torch.float64 else torch.float32)):
            raise ModelError(f"{folder}: {key} holds NaN or infinity", hint="the file is damaged, or training diverged")


def save_model(
    model: Decoder,
    folder: Path | str,
    family: str,
    *,
    dtype: torch.dtype | None = None,
    extra: dict[str, Any] | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write ``config.json`` and ``model.safetensors`` (sharded above ``shard_bytes``), each file atomically.

    Args:
        extra: further keys for config.json (token ids, say).

    Raises:
        ModelError: a tensor that the family has no name for (an adapter that was not merged).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    module = family_of(family)
    state = {k: v.detach().to(dtype or v.dtype) for k, v in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight")
    tensors = {
        k: v.contiguous() for k, v in to_checkpoint(module.RENAMES, state, model.config.num_hidden_layers).items()
    }
    _write_shards(folder, tensors, shard_bytes)
    stored = next(iter(tensors.values())).dtype
    config = module.write(model.config) | {"dtype": str(stored).removeprefix("torch.")} | (extra or {})
    write_text(folder / "config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _write_shards(folder: Path, tensors: dict[str, Tensor], shard_bytes: int) -> None:
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
