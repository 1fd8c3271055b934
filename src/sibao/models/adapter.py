"""LoRA and DoRA adapters on disk, in PEFT's format: ``adapter_config.json`` and ``adapter_model.safetensors``.

A key in the file is ``base_model.model.<checkpoint name of the layer>.lora_A.weight`` (``lora_B.weight``, and for DoRA
``lora_magnitude_vector``). Where a checkpoint keeps several layers of the network as one (GPT-2's ``c_attn``), the
adapter is of that one: its A is shared by the layers, its B is theirs one after the other. A head that an encoder got
with its adapter is kept whole in the same file (``_adapter_head``).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from sibao.core.errors import BadInput, ModelError
from sibao.core.paths import atomic_path, write_text
from sibao.models._adapter_config import Site, kept_whole, layers_named, ranks_and_scales, read_config, targets_of
from sibao.models._adapter_head import ADAPTABLE, head_task, head_tensors, put_on, write_labels
from sibao.models.base import fill, matcher
from sibao.models.folder import family_of, renames_of
from sibao.models.weights import read_json, read_tensors, refuse_nan
from sibao.nn.encoder import Encoder
from sibao.nn.lora import LoRALinear, LoraSpec, linear_layers, wrap
from sibao.nn.network import Network
from sibao.nn.quantized import in_stack

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
PARTS = {"lora_A.weight": "lora_A", "lora_B.weight": "lora_B", "lora_magnitude_vector": "magnitude"}


def base_of(folder: Path) -> str:
    """Name of the model that an adapter was trained on."""
    name = read_json(folder / CONFIG).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise ModelError(f"{folder}/{CONFIG} names no base model", hint="give it as BASE+ADAPTER_FOLDER")
    return name


def sites(model: Network, family: str) -> dict[str, Site]:
    """Every layer that can be adapted, by its checkpoint name, in the network's order.

    These are the linear layers inside the stacks of layers, and an encoder's pooler and transform. Experts and their
    routers are left out: Transformers keeps them as bare tensors, of which PEFT has no layer to adapt. So are layers of
    the same names beside them (the plain feed-forward layers of some mixtures), because PEFT takes those names for the
    experts.
    """
    rules = tuple(r for r in renames_of(family_of(family), model.config) if r.fused and not r.alias)
    match = matcher(rules, lambda r: r.fused[0])
    found: dict[str, Site] = {}
    linear = linear_layers(model)
    experts = {_leaf(name) for name in linear if ".experts." in name}
    for name in linear:
        if (
            not (in_stack(name) or _above(model, name))
            or _leaf(name) in experts
            or name.endswith(("mlp.gate", ".router"))
        ):
            continue
        if rule := match(f"{name}.weight"):
            parts = tuple(fill(n, rule[1]).removesuffix(".weight") for n in rule[0].fused)
            checkpoint = fill(rule[0].checkpoint, rule[1]).removesuffix(".weight")
            found[checkpoint] = Site(checkpoint, parts, rule[0].transpose)
    return found


def _above(model: Network, name: str) -> bool:
    """Whether it is a layer above an encoder's stack that PEFT adapts with the rest. The pooler that a masked model keeps
    for later is none: Transformers' masked model has no such layer."""
    spare = isinstance(model, Encoder) and model.config.head == "masked" and name.startswith("pooler")
    return isinstance(model, Encoder) and name in ADAPTABLE and not spare


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]


def adapt(
    model: Network, family: str, targets: Sequence[str] | str, spec: LoraSpec, whole: Sequence[str] = ()
) -> list[str]:
    """Put a new adapter on a model; all else is frozen.

    Args:
        targets: names or ends of names of layers in the checkpoint (``q_proj``, ``c_attn``), or one regular expression
            for whole names; empty or ``all-linear``: every layer that can be adapted.
        whole: parts of the network (its names) that are trained as they are, without an adapter.

    Returns:
        checkpoint names of the adapted layers.

    Raises:
        BadInput: a target that no layer carries, or one part of a layer that the checkpoint keeps fused.
    """
    known = [s for s in sites(model, family).values() if not any(p.partition(".")[0] in whole for p in s.parts)]
    chosen = layers_named(known, targets)
    model.requires_grad_(False)
    for part in whole:
        model.get_submodule(part).requires_grad_(True)
    wrap(model, [site.parts for site in chosen], spec)
    return [site.name for site in chosen]


def _adapters(model: Network, family: str) -> dict[str, tuple[Site, list[LoRALinear]]]:
    """The adapted layers of a model by their checkpoint name."""
    found: dict[str, tuple[Site, list[LoRALinear]]] = {}
    for name, site in sites(model, family).items():
        layers = [model.get_submodule(part) for part in site.parts]
        wrapped = [layer for layer in layers if isinstance(layer, LoRALinear)]
        if not wrapped:
            continue
        if len(wrapped) < len(layers) or any(layer.lora_A is not wrapped[0].lora_A for layer in wrapped):
            raise BadInput(
                f"{site.parts[0]} is one part of a fused layer in {family} checkpoints; an adapter of it has no PEFT form",
                hint=f"adapt {name.rpartition('.')[2]}",
            )
        found[name] = site, wrapped
    if not found:
        raise BadInput("the model carries no adapter", hint="adapt it first")
    return found


def save_adapter(
    model: Network,
    folder: Path | str,
    family: str,
    base: str,
    task: str = "CAUSAL_LM",
    *,
    extra: dict[str, Any] | None = None,
) -> None:
    """Write the adapted layers of ``model`` as a PEFT folder that names ``base`` as its base model.

    Args:
        task: PEFT's word for what the base model does. extra: further keys for the config of a head (token ids, say).

    Raises:
        BadInput: no adapter, or one that has no form on disk.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    adapters = _adapters(model, family)
    tensors: dict[str, Tensor] = {}
    for name, (_, layers) in adapters.items():
        tensors[f"{PREFIX}{name}.lora_A.weight"] = layers[0].lora_A
        tensors[f"{PREFIX}{name}.lora_B.weight"] = torch.cat([layer.lora_B.detach() for layer in layers])
        if lengths := [layer.magnitude.detach() for layer in layers if layer.magnitude is not None]:
            tensors[f"{PREFIX}{name}.lora_magnitude_vector"] = torch.cat(lengths)
    kept, head = head_tensors(model, family)
    tensors |= {PREFIX + name: tensor for name, tensor in head.items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        detached = {k: t.detach().cpu().contiguous() for k, t in tensors.items()}
        save_file(detached, temporary, metadata={"format": "pt"})
    config = _config(adapters, list(sites(model, family)))
    config |= {"base_model_name_or_path": base, "task_type": task, "modules_to_save": kept or None}
    if kept:
        write_labels(model, folder, family, extra or {})
    write_text(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _config(adapters: dict[str, tuple[Site, list[LoRALinear]]], known: list[str]) -> dict[str, Any]:
    specs = {name: layers[0].spec for name, (_, layers) in adapters.items()}
    (rank, alpha), _ = Counter((s.rank, s.alpha) for s in specs.values()).most_common(1)[0]
    first = next(iter(specs.values()))
    return {
        "peft_type": "LORA", "r": rank, "lora_alpha": float(alpha), "lora_dropout": first.dropout, "bias": "none",
        "target_modules": targets_of(list(adapters), known), "inference_mode": True, "modules_to_save": None,
        "fan_in_fan_out": any(site.transposed for site, _ in adapters.values()),
        "use_dora": first.dora, "use_rslora": first.rslora,
        "rank_pattern": {re.escape(n): s.rank for n, s in specs.items() if s.rank != rank},
        "alpha_pattern": {re.escape(n): s.alpha for n, s in specs.items() if s.alpha != alpha},
    }  # fmt: skip


def load_adapter(model: Network, folder: Path | str, family: str) -> None:
    """Put a PEFT adapter on a model; what it holds becomes trainable again, all else is frozen. An encoder gets the head
    that the adapter brings.

    Raises:
        ModelError: a damaged folder, a kind of adapter that is not supported (named), or layers the model does not have.
    """
    folder = Path(folder)
    config = read_config(folder / CONFIG)
    tensors = _read(folder)
    kept, whole = kept_whole(config, folder / CONFIG), list[str]()
    if (head := head_task(model, config)) is not None and isinstance(model, Encoder):
        whole = put_on(model, folder, family, head, kept, tensors)
    elif kept:
        raise ModelError(f"{folder / CONFIG} has modules_to_save = {kept!r}, which only heads of encoders may have")
    found = _by_site(folder, tensors, sites(model, family), family)
    specs = ranks_and_scales(config, list(found), folder / CONFIG)
    for name, (site, parts) in found.items():
        _refuse_shapes(model, site, parts, specs[name], f"{folder}: {name}")
    model.requires_grad_(False)
    for part in whole:
        model.get_submodule(part).requires_grad_(True)
    for name, (site, parts) in found.items():
        wrap(model, [site.parts], specs[name])
        _fill(model, site, parts)


def _read(folder: Path) -> dict[str, Tensor]:
    """All tensors of an adapter under their names in the checkpoint, finite numbers all of them."""
    found: dict[str, Tensor] = {}
    for key, tensor in read_tensors(folder / WEIGHTS).items():
        refuse_nan(folder, key, tensor)
        found[key.removeprefix(PREFIX)] = tensor
    return found


def _by_site(
    folder: Path, tensors: dict[str, Tensor], known: dict[str, Site], family: str
) -> dict[str, tuple[Site, dict[str, Tensor]]]:
    """The tensors of each adapted layer by its checkpoint name, in the network's order."""
    found: dict[str, tuple[Site, dict[str, Tensor]]] = {}
    for key, tensor in tensors.items():
        end = next((e for e in PARTS if key.endswith(f".{e}")), "")
        name = key.removesuffix(f".{end}")
        if not end or name not in known:
            raise ModelError(
                f"{folder}: {key} fits no layer of this {family} model that can be adapted",
                hint="is it for another base model? embeddings, language heads and experts are not supported",
            )
        found.setdefault(name, (known[name], {}))[1][PARTS[end]] = tensor
    if not found:
        raise ModelError(f"{folder / WEIGHTS} holds no adapted layer", hint="copy the adapter again")
    return {name: found[name] for name in known if name in found}


def _refuse_shapes(model: Network, site: Site, tensors: dict[str, Tensor], spec: LoraSpec, where: str) -> None:
    """Compared before anything of that size is made."""
    widths, depth = _sizes(model, site)
    wanted = {"lora_A": (spec.rank, depth), "lora_B": (sum(widths), spec.rank)}
    sizes: dict[str, tuple[int, ...]] = wanted | ({"magnitude": (sum(widths),)} if spec.dora else {})
    got = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if got != sizes:
        raise ModelError(f"{where} has {got}, wanted {sizes}", hint="is the adapter for another base model?")


def _sizes(model: Network, site: Site) -> tuple[list[int], int]:
    """Output widths of the layers that make a checkpoint layer, and the input width of all."""
    layers: list[Any] = [model.get_submodule(part) for part in site.parts]
    return [layer.out_features for layer in layers], layers[0].in_features


@torch.no_grad()
def _fill(model: Network, site: Site, tensors: dict[str, Tensor]) -> None:
    """Copy the tensors of one checkpoint layer into the layers it is made of."""
    layers = [layer for part in site.parts if isinstance(layer := model.get_submodule(part), LoRALinear)]
    widths = [len(layer.lora_B) for layer in layers]
    layers[0].lora_A.copy_(tensors["lora_A"])
    for layer, part in zip(layers, tensors["lora_B"].split(widths), strict=True):
        layer.lora_B.copy_(part)
    for layer, part in zip(layers, tensors.get("magnitude", torch.empty(sum(widths))).split(widths), strict=True):
        if layer.magnitude is not None:
            layer.magnitude.copy_(part)
