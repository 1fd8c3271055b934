"""``adapter_config.json`` of PEFT: which layers are meant, their ranks and scales, and what is refused by name."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput, ModelError
from sibao.models.weights import read_json
from sibao.nn.lora import LoraSpec

ALL = "all-linear"
_READ = frozenset(
    ["r", "lora_alpha", "lora_dropout", "use_dora", "use_rslora", "rank_pattern", "alpha_pattern", "peft_type", "bias"]
)
_SILENT = frozenset(
    [
        *("task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode"),
        *("fan_in_fan_out", "megatron_core", "ephemeral_gpu_offload", "runtime_config", "qalora_group_size"),
        # which layers are adapted is told by the tensors themselves
        *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"),
        "modules_to_save",  # whatever of it has no place is refused by the name of its tensors, or by the network's kind
    ]
)
_STARTS = (None, True, False, "gaussian", "orthogonal", "eva")
"""Ways to begin (``init_lora_weights``) that leave the base weights as they are; with others the adapter fits no base."""


@dataclass(frozen=True)
class Site:
    """A layer as the checkpoint has it: its name there, and the network's layers it is made of (several when fused)."""

    name: str
    parts: tuple[str, ...]
    transposed: bool


def read_config(path: Path) -> dict[str, Any]:
    """The content of ``adapter_config.json``.

    Raises:
        ModelError: not LoRA, or an option that changes what is computed and is not supported; it is named.
    """
    config = read_json(path)
    for key, wanted in (("peft_type", ("LORA",)), ("bias", ("none",)), ("init_lora_weights", _STARTS)):
        if config.get(key, wanted[0]) not in wanted:
            raise ModelError(f"{path} has {key} = {config[key]!r}; supported: {', '.join(map(repr, wanted))}")
    unknown = config.keys() - _READ - _SILENT - {"init_lora_weights"}
    if odd := sorted(key for key in unknown if config[key]):
        raise ModelError(
            f"{path} has {', '.join(f'{key} = {config[key]!r}' for key in odd)}, which is not supported",
            hint="loading would ignore it and compute something else",
        )
    return config


def kept_whole(config: dict[str, Any], path: Path) -> list[str]:
    """Names of the parts that the adapter's file holds whole (``modules_to_save``).

    Raises:
        ModelError: no list of names.
    """
    names = config.get("modules_to_save") or []
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ModelError(
            f"{path} has modules_to_save = {names!r}; wanted a list of names", hint="copy the adapter again"
        )
    return names


def ranks_and_scales(config: dict[str, Any], names: Sequence[str], path: Path) -> dict[str, LoraSpec]:
    """What the config says of each layer: ``rank_pattern`` and ``alpha_pattern`` hold regular expressions for ends of names.

    Raises:
        ModelError: a value of the wrong kind.
    """
    try:
        ranks, alphas = dict(config.get("rank_pattern") or {}), dict(config.get("alpha_pattern") or {})
        specs = {
            name: LoraSpec(
                rank=int(ranks.get(_pattern(ranks, name), config["r"])),
                alpha=float(alphas.get(_pattern(alphas, name), config["lora_alpha"])),
                dropout=float(config.get("lora_dropout") or 0.0),
                dora=bool(config.get("use_dora")),
                rslora=bool(config.get("use_rslora")),
            )
            for name in names
        }
    except (KeyError, TypeError, ValueError, OverflowError, re.error) as error:
        raise ModelError(f"{path} is not usable: {error!r}", hint="copy the adapter again") from None
    for spec in specs.values():
        if spec.rank < 1 or not math.isfinite(spec.alpha) or not 0 <= spec.dropout < 1:
            raise ModelError(f"{path} is not usable: rank {spec.rank}, alpha {spec.alpha}, dropout {spec.dropout}")
    return specs


def _pattern(patterns: dict[str, Any], name: str) -> str:
    """The first pattern that fits a layer's whole name or its end, as PEFT chooses."""
    return next((p for p in patterns if re.match(rf"(.*\.)?({p})$", name)), "")


def layers_named(known: list[Site], targets: Sequence[str] | str) -> list[Site]:
    """The layers that are meant by PEFT's ``target_modules``.

    Raises:
        BadInput: a target that no layer carries; a regular expression that is none or fits nothing.
    """
    if not targets or targets == ALL or list(targets) == [ALL]:
        return known
    if isinstance(targets, str):
        try:
            chosen = [site for site in known if re.fullmatch(targets, site.name)]
        except re.error as error:
            raise BadInput(f"{targets!r} is no regular expression: {error}", hint="a list holds plain names") from None
        if not chosen:
            raise BadInput(f"no layer's name fits {targets!r}", hint=f"a name: {known[0].name}")
        return chosen
    missing = sorted(t for t in targets if not any(_ends(site.name, t) for site in known))
    if missing:
        leaves = sorted({site.name.rpartition(".")[2] for site in known})
        raise BadInput(f"no layer named {', '.join(missing)} to adapt", hint=f"layers: {', '.join(leaves)}")
    return [site for site in known if any(_ends(site.name, t) for t in targets)]


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def targets_of(chosen: Sequence[str], known: Sequence[str]) -> list[str]:
    """``target_modules`` for layers: the shortest end of each name that names no other layer (``query``,
    ``output.dense``)."""
    others = [name for name in known if name not in set(chosen)]
    found = set[str]()
    for name in chosen:
        parts = name.split(".")
        ends = (".".join(parts[i:]) for i in reversed(range(len(parts))))
        found.add(next((e for e in ends if not any(_ends(o, e) for o in others)), name))
    return sorted(found)
