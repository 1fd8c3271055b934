"""LoRA adapters on disk, in PEFT's format: ``adapter_config.json`` and ``adapter_model.safetensors``.

A key in the file is ``base_model.model.<checkpoint name of the layer>.lora_A.weight`` (and ``lora_B``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sibao.core.errors import BadInput, ModelError
from sibao.core.paths import atomic_path, write_text
from sibao.models.base import Rename, matcher
from sibao.models.folder import family_of
from sibao.models.weights import read_json
from sibao.nn.decoder import Decoder
from sibao.nn.lora import adapted, add_lora

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
DEFAULT_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def default_targets(family: str) -> list[str]:
    """Layers an adapter changes by default: all linear layers that the family's checkpoint keeps apart."""
    plain = {r.fused[0].split(".")[-2] for r in family_of(family).RENAMES if len(r.fused) == 1}
    return [t for t in DEFAULT_TARGETS if t in plain]


def base_of(folder: Path) -> str:
    """Name of the model that an adapter was trained on."""
    name = read_json(folder / CONFIG).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise ModelError(f"{folder}/{CONFIG} names no base model", hint="give it as BASE+ADAPTER_FOLDER")
    return name


def _names(family: str, layers: list[str]) -> dict[str, tuple[str, Rename]]:
    """Checkpoint name (without ``.weight``) of each adapted layer, and its rule."""
    match = matcher(family_of(family).RENAMES, lambda r: r.fused[0] if len(r.fused) == 1 else r.checkpoint)
    out: dict[str, tuple[str, Rename]] = {}
    for layer in layers:
        found = match(f"{layer}.weight")
        if found is None:
            raise BadInput(
                f"{layer} is one part of a fused layer in {family} checkpoints; an adapter of it has no PEFT form",
                hint=f"adapt {', '.join(default_targets(family))}",
            )
        rule, number = found
        out[layer] = (rule.checkpoint.replace("{i}", number).removesuffix(".weight"), rule)
    return out


def save_adapter(model: Decoder, folder: Path | str, family: str, base: str) -> None:
    """Write the adapted layers of ``model`` as a PEFT folder that names ``base`` as its base model."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    layers = adapted(model)
    names = _names(family, list(layers))
    tensors: dict[str, Tensor] = {}
    for name, layer in layers.items():
        key = PREFIX + names[name][0]
        tensors[f"{key}.lora_A.weight"] = layer.lora_A.detach().cpu().contiguous()
        tensors[f"{key}.lora_B.weight"] = layer.lora_B.detach().cpu().contiguous()
    first = next(iter(layers.values()))
    rank = first.lora_A.shape[0]
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "r": rank,
        "lora_alpha": first.scale * rank, "lora_dropout": first.dropout, "bias": "none",
        "target_modules": sorted({names[n][0].rsplit(".", 1)[-1] for n in layers}), "inference_mode": True,
        "fan_in_fan_out": any(rule.transpose for _, rule in names.values()), "modules_to_save": None,
    }  # fmt: skip
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    write_text(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _checked(folder: Path) -> dict[str, Any]:
    config = read_json(folder / CONFIG)
    wanted = {"peft_type": "LORA", "bias": "none", "use_dora": False, "use_rslora": False}
    for key, value in wanted.items():
        if config.get(key, value) != value:
            raise ModelError(f"{folder}/{CONFIG} has {key} = {config[key]!r}; supported: {value!r}")
    if config.get("modules_to_save") or config.get("rank_pattern") or config.get("alpha_pattern"):
        raise ModelError(f"{folder}/{CONFIG}: modules_to_save and rank or alpha patterns are not supported")
    return config


def load_adapter(model: Decoder, folder: Path | str, family: str) -> None:
    """Put a PEFT adapter on a model; its layers become trainable again, all else is frozen.

    Raises:
        ModelError: a damaged folder, a kind of adapter that is not LoRA, or layers the model does not have.
    """
    folder = Path(folder)
    config = _checked(folder)
    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder / WEIGHTS} cannot be read: {error}") from None
    match = matcher(family_of(family).RENAMES, lambda r: r.checkpoint)
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, _, which = key.removeprefix(PREFIX).removesuffix(".weight").rpartition(".")
        found = match(f"{name}.weight")
        if found is None or which not in ("lora_A", "lora_B") or len(found[0].fused) != 1:
            raise ModelError(
                f"{folder}: {key} fits no layer of this {family} model", hint="is it for another base model?"
            )
        layer = found[0].fused[0].replace("{i}", found[1]).removesuffix(".weight")
        parts.setdefault(layer, {})[which] = tensor
    rank = int(config["r"])
    add_lora(
        model, sorted({n.rsplit(".", 1)[-1] for n in parts}), rank, float(config["lora_alpha"]),
        float(config.get("lora_dropout") or 0.0),
    )  # fmt: skip
    _fill(model, parts, folder)


def _fill(model: Decoder, parts: dict[str, dict[str, Tensor]], folder: Path) -> None:
    layers = adapted(model)
    if layers.keys() != parts.keys():
        odd = sorted(layers.keys() ^ parts.keys())
        raise ModelError(f"{folder}: the adapter and the model differ in {len(odd)} layers ({', '.join(odd[:3])})")
    with torch.no_grad():
        for name, layer in layers.items():
            for which, tensor in parts[name].items():
                target = getattr(layer, which)
                if target.shape != tensor.shape:
                    raise ModelError(f"{folder}: {name}.{which} is {list(tensor.shape)}, wanted {list(target.shape)}")
                target.copy_(tensor)
