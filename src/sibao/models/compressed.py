"""Folders with quantised weights in the published form ``compressed-tensors``: what ``sibao quantize`` writes and vLLM and
Transformers read.

``int-quantized``: eight bits, one step for each output, activations rounded row by row. ``pack-quantized``: four bits, one
step for each 32 inputs, eight codes in a whole number of 32 bits. Other forms are another arithmetic, and are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sibao.core.errors import ModelError, UnsupportedModel
from sibao.models.base import Rename, fill, matcher, places
from sibao.models.weights import DAMAGED
from sibao.nn.integer import GROUP, Codes, IntegerLinear, quantize
from sibao.nn.network import Network
from sibao.nn.quantized import in_stack

KEY, METHOD = "quantization_config", "compressed-tensors"
FORMATS = {"int8": "int-quantized", "int4": "pack-quantized"}
_SUFFIXES = ("weight_packed", "weight_scale", "weight_shape")
_EIGHT_ROWS = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}
_WEIGHTS: dict[str, dict[str, Any]] = {
    "int8": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False},
    "int4": {
        "num_bits": 4,
        "type": "int",
        "symmetric": True,
        "strategy": "group",
        "group_size": GROUP,
        "dynamic": False,
    },
}


def settings(precision: str, ignored: list[str]) -> dict[str, Any]:
    """``quantization_config`` of a folder in int8 or int4. ``ignored``: linear layers that keep their precision."""
    rows = _EIGHT_ROWS | {"group_size": None} if precision == "int8" else None
    group = {"targets": ["Linear"], "weights": {"group_size": None} | _WEIGHTS[precision], "input_activations": rows,
             "output_activations": None}  # fmt: skip
    return {
        "quant_method": METHOD, "format": FORMATS[precision], "quantization_status": "compressed",
        "config_groups": {"group_0": group}, "ignore": ignored, "kv_cache_scheme": None,
    }  # fmt: skip


def form_of(data: dict[str, Any], folder: str) -> str | None:
    """``int8`` or ``int4`` where a config.json says that the weights are quantised in a form that is read here; else None.

    Raises:
        ModelError: by another method. UnsupportedModel: by this one in a way that the engine does not compute.
    """
    said = data.get(KEY)
    if said is None:
        return None
    method = said.get("quant_method") if isinstance(said, dict) else said
    if method != METHOD:
        raise ModelError(
            f"{folder}: quantization_config names the method {method!r}; only {METHOD} is read, in int8 or int4",
            hint="take the model as it was before, and say --precision int8 or int4; or try transformers:NAME",
        )
    groups = said.get("config_groups")
    if isinstance(groups, dict) and len(groups) == 1 and said.get("kv_cache_scheme") is None:
        group = next(iter(groups.values()))
        for precision, wanted in _WEIGHTS.items():
            if said.get("format") == FORMATS[precision] and _is(group, precision, wanted):
                return precision
    raise UnsupportedModel(
        f"{folder}: {KEY} asks for {said.get('format')!r} with {groups!r}; computed are {METHOD} in eight bits by channel "
        f"with activations by token, and in four bits by groups of {GROUP}"
    )


def _is(group: Any, precision: str, wanted: dict[str, Any]) -> bool:
    if not isinstance(group, dict) or group.get("output_activations") is not None:
        return False
    weights, rows = group.get("weights"), group.get("input_activations")
    if not isinstance(weights, dict) or weights.get("actorder") or not isinstance(rows, dict | None):
        return False
    fits = all(weights.get(key) == value for key, value in wanted.items())
    by_rows = rows is not None and all(rows.get(key) == value for key, value in _EIGHT_ROWS.items())
    return fits and (by_rows or (rows is None and precision == "int4"))


def stored(codes: Codes) -> dict[str, Tensor]:
    """The tensors of a layer, by the last part of their names."""
    if codes.precision == "int8":
        return {"weight": codes.codes, "weight_scale": codes.steps}
    n, k = codes.codes.shape
    nibbles = (codes.codes.int() + 8).view(n, k // 8, 8)
    packed = sum((nibbles[..., i] << 4 * i for i in range(1, 8)), start=nibbles[..., 0])
    return {"weight_packed": packed, "weight_scale": codes.steps, "weight_shape": torch.tensor([n, k])}


def compress(model: Network, renames: tuple[Rename, ...], precision: str) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The tensors of a folder whose linear layers inside the stack are quantised, one weight of the checkpoint after
    another: its name, and what stands for it.

    Raises:
        UnsupportedModel: a weight that this form has no place for.
    """
    state = {name: t for name, t in model.state_dict().items() if name not in model.tied}
    quantised = {f"{name}.weight" for name, m in model.named_modules() if isinstance(m, nn.Linear) and in_stack(name)}
    for rule in renames:
        for place in () if rule.alias else places(rule, state):
            names = [fill(name, place) for name in rule.fused]
            key, parts = fill(rule.checkpoint, place), [state[name] for name in names]
            if not quantised.isdisjoint(names):
                yield key, _stored_as(key, Codes.joined([quantize(one, precision) for one in parts]))
            else:
                whole = torch.cat(parts) if len(parts) > 1 else parts[0]
                yield key, {key: (whole.t() if rule.transpose else whole).contiguous()}


def refuse_form(model: Network, renames: tuple[Rename, ...], precision: str) -> None:
    """Refuse a network that this form has no place for, before anything is computed.

    Raises:
        UnsupportedModel: weights that are kept turned round, or no whole groups of inputs.
    """
    turned = {name.replace("{i}", "0") for rule in renames if rule.transpose for name in rule.fused}
    for name, layer in model.named_modules():
        if not (isinstance(layer, nn.Linear) and in_stack(name)):
            continue
        if f"{name}.weight" in turned:
            raise UnsupportedModel(
                f"{METHOD} knows linear layers only, and this family keeps {name} as another kind of layer",
                hint=f"load it with --precision {precision}: what that makes of it is kept in the cache",
            )
        if precision == "int4" and layer.in_features % GROUP:
            raise UnsupportedModel(
                f"{name} has {layer.in_features} inputs, no multiple of {GROUP}: they make no whole groups",
                hint="take int8",
            )


def _stored_as(key: str, codes: Codes) -> dict[str, Tensor]:
    base = key.removesuffix("weight")
    return {base + part: tensor.contiguous() for part, tensor in stored(codes).items()}


def coded(folder: Path, tensors: dict[str, Tensor], *, read: bool = True) -> dict[str, Codes]:
    """Every quantised weight by its name in the checkpoint, ``….weight``.

    Args:
        read: False: in four bits only the shape is right; no number is looked at.

    Raises:
        ModelError: tensors that do not belong together.
    """
    found = {}
    for key, steps in tensors.items():
        if not key.endswith(".weight_scale"):
            continue
        base = key.removesuffix("_scale")
        packed, plain = tensors.get(f"{base}_packed"), tensors.get(base)
        found[base] = (
            _four(folder, base, packed, steps, read) if packed is not None else _eight(folder, base, plain, steps)
        )
    if lost := [k for k in tensors if k.endswith(_SUFFIXES) and k.rpartition(".")[0] + ".weight" not in found]:
        raise ModelError(f"{folder}: {lost[0]} has no weight_scale beside it", hint=DAMAGED)
    return found


def _eight(folder: Path, base: str, codes: Tensor | None, steps: Tensor) -> Codes:
    if codes is None or codes.dtype != torch.int8 or codes.dim() != 2 or steps.numel() != len(codes):
        raise ModelError(f"{folder}: {base} and its weight_scale do not belong together", hint=DAMAGED)
    return Codes(codes, steps.float().view(-1, 1), "int8")


def _four(folder: Path, base: str, packed: Tensor, steps: Tensor, read: bool) -> Codes:
    n, words = packed.shape if packed.dim() == 2 else (0, 0)
    k = words * 8
    if packed.dtype != torch.int32 or not n or steps.shape != (n, k // GROUP) or k % GROUP:
        raise ModelError(f"{folder}: {base}_packed and its weight_scale do not belong together", hint=DAMAGED)
    if not read:
        return Codes(torch.zeros(1, 1, dtype=torch.int8).expand(n, k), steps, "int4")
    if not torch.equal(steps.bfloat16().to(steps.dtype), steps):
        raise UnsupportedModel(f"{folder}: {base} has steps that are no bfloat16")
    codes = torch.stack([((packed >> 4 * i) & 15).to(torch.int8) - 8 for i in range(8)], dim=-1)
    return Codes(codes.view(n, k), steps.bfloat16(), "int4")


def plain_tensors(tensors: dict[str, Tensor], codes: dict[str, Codes]) -> dict[str, Tensor]:
    """All tensors under the names of a folder that is not quantised; the quantised ones are their codes."""
    rest = {k: t for k, t in tensors.items() if not k.endswith(_SUFFIXES)}
    return rest | {name: one.codes for name, one in codes.items()}


def put_codes(model: Network, codes: dict[str, Codes], renames: tuple[Rename, ...], state: dict[str, Tensor]) -> None:
    """Put layers of whole numbers into a network; what they stand for leaves ``state``, under the network's names.

    Raises:
        UnsupportedModel: the family keeps such a weight turned round: no linear layer of this form.
    """
    match = matcher(renames, lambda r: r.checkpoint)
    for key, one in codes.items():
        found = match(key) or match(f"model.{key}")
        if found is None or found[0].transpose:
            raise UnsupportedModel(f"{key} is quantised, and no linear layer of this family")
        names = [fill(name, found[1]) for name in found[0].fused]
        sizes = [len(state.pop(name)) for name in names]
        for name, rows, steps in zip(names, one.codes.split(sizes), one.steps.split(sizes), strict=True):
            layer = name.removesuffix(".weight")
            holder, _, leaf = layer.rpartition(".")
            made = IntegerLinear(Codes(rows, steps, one.precision), state.pop(f"{layer}.bias", None))
            setattr(model.get_submodule(holder), leaf, made)
