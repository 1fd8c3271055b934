"""The head of an encoder beside an adapter: PEFT keeps it whole (``modules_to_save``), in the same file as the adapter.

The names of the labels have no place in PEFT's files; they stand in ``head/config.json``, Transformers' own form. (In
the folder itself a ``config.json`` would make Transformers look for a whole model there.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sibao.core.errors import ModelError
from sibao.core.paths import write_text
from sibao.models.folder import family_of, parse_config, renames_of
from sibao.models.weights import read_json
from sibao.nn.encoder import Encoder
from sibao.nn.encoder_config import EncoderConfig, Head
from sibao.nn.network import Network

TASKS: dict[str, Head] = {"SEQ_CLS": "classify", "TOKEN_CLS": "token", "QUESTION_ANS": "span"}
"""PEFT's task types that bring a head."""
PARTS = ("pooler", "transform", "output")
"""The parts of an encoder above its last layer."""
ADAPTABLE = ("pooler.dense", "transform.dense")
"""Their layers that PEFT adapts when they are not kept whole."""
LABELS = "head/config.json"


@dataclass(frozen=True)
class Part:
    """A part as the checkpoint has it: its name there (``bert.pooler``), and its tensors, network's name → checkpoint's."""

    name: str
    tensors: dict[str, str]


def head_task(model: Network, config: Mapping[str, Any]) -> Head | None:
    """The head that an adapter brings to this network; None: the network stays as it is."""
    return TASKS.get(str(config.get("task_type"))) if isinstance(model, Encoder) else None


def parts_of(config: EncoderConfig, family: str) -> dict[str, Part]:
    """What the checkpoint calls each part of the head, by the network's name of it."""
    found: dict[str, Part] = {}
    for rule in renames_of(family_of(family), config):
        own, checkpoint = (*rule.fused, "")[0], rule.checkpoint
        part, _, inside = own.partition(".")
        if part in PARTS and not rule.alias and checkpoint.endswith(f".{inside}"):
            known = found.setdefault(part, Part(checkpoint.removesuffix(f".{inside}"), {}))
            known.tensors[own] = checkpoint
    return found


def trained_parts(model: Network) -> list[str]:
    """The parts of a head that are trained whole beside an adapter."""
    if not isinstance(model, Encoder) or model.config.head not in TASKS.values():
        return []
    return [p for p in PARTS if _trained(getattr(model, p))]


def _trained(part: nn.Module | None) -> bool:
    """Whether all of a part learns; of one with an adapter in it only that does."""
    return part is not None and _exists(part) and all(p.requires_grad for p in part.parameters())


def _exists(part: nn.Module | None) -> bool:
    return part is not None and next(part.parameters(), None) is not None


def head_tensors(model: Network, family: str) -> tuple[list[str], dict[str, Tensor]]:
    """``modules_to_save`` and the tensors of the parts trained whole, under their checkpoint names."""
    whole = trained_parts(model)
    known = parts_of(model.config, family) if whole else {}
    names = [known[part].name.rpartition(".")[2] for part in whole]
    return names, {c: model.get_parameter(own) for part in whole for own, c in known[part].tensors.items()}


def write_labels(model: Network, folder: Path, family: str, extra: dict[str, Any]) -> None:
    """The config of the model with its head, and further keys."""
    config = family_of(family).write(model.config) | extra
    (folder / LABELS).parent.mkdir(exist_ok=True)
    write_text(folder / LABELS, json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def put_on(
    model: Encoder, folder: Path, family: str, head: Head, kept: list[str], tensors: dict[str, Tensor]
) -> list[str]:
    """Give an encoder the head that an adapter brings, with its numbers.

    Args:
        kept: ``modules_to_save``, names or ends of names. tensors: of the file, by checkpoint name; the head's are taken out.

    Returns:
        the parts that were filled: PEFT trains them whole.

    Raises:
        ModelError: a part that neither the base model nor the adapter holds, or one of another shape.
    """
    bare = replace(model.config, head=head, labels=model.config.labels or ("?",))
    known = parts_of(family_of(family).with_head(bare), family)
    found = {part: _taken(folder, one, kept, tensors) for part, one in known.items()}
    had = {p for p in ("pooler", "transform") if _exists(getattr(model, p))}
    if model.config.head == head:
        had.add("output")
    if missing := [one.name for part, one in known.items() if not found[part] and part not in had]:
        raise ModelError(
            f"neither {folder} nor its base model holds {', '.join(missing)}",
            hint="PEFT keeps it with modules_to_save when it trains",
        )
    rows = found.get("output", {}).get("output.weight")
    labels, multi = _labels(model.config, folder, family, head, None if rows is None else len(rows))
    shape = family_of(family).with_head(replace(model.config, head=head, labels=labels, multi_label=multi))
    if shape != model.config:
        model.replace_head(shape, 0)
    filled = {name: tensor for part in found.values() for name, tensor in part.items()}
    _fill(model, folder, filled)
    return [part for part in PARTS if found.get(part)]


def _taken(folder: Path, part: Part, kept: list[str], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one part by the network's names, all of them or none."""
    found = {own: tensors.pop(name) for own, name in part.tensors.items() if name in tensors}
    wanted = any(part.name.endswith(name) for name in kept)
    if (found or wanted) and (missing := sorted(name for own, name in part.tensors.items() if own not in found)):
        raise ModelError(f"{folder} lacks {', '.join(missing)} of its head", hint="copy the adapter again")
    return found


def _labels(
    base: EncoderConfig, folder: Path, family: str, head: Head, count: int | None
) -> tuple[tuple[str, ...], bool]:
    """Names of the labels, and whether several may hold at once: said by the adapter's folder, else by a base with the
    same head, else numbered as Transformers does."""
    if head == "span":
        return (), False
    said = next((folder / name for name in (LABELS, "config.json") if (folder / name).exists()), None)
    config = base
    if (folder / LABELS).parent.is_symlink():
        raise ModelError(f"{(folder / LABELS).parent} is a link", hint="put the files themselves into the folder")
    if said is not None:
        name, config = parse_config(read_json(said), str(said.parent))
        if name != family or config.head != head:
            raise ModelError(
                f"{said} is of a {name} model with the head {config.head!r}, wanted {family} with {head!r}"
            )
    count = len(base.labels) if count is None else count
    if config.head == head and len(config.labels) == count:
        return config.labels, config.multi_label
    if said is not None:
        raise ModelError(f"{said} names {len(config.labels)} labels, the adapter's head has {count}")
    return tuple(f"LABEL_{i}" for i in range(count)), False


@torch.no_grad()
def _fill(model: Encoder, folder: Path, tensors: dict[str, Tensor]) -> None:
    dtype, device = model.embed_tokens.weight.dtype, model.embed_tokens.weight.device
    for part in (model.pooler, model.transform, model.output):
        if part is not None:
            part.to(device=device, dtype=dtype)
    for name, tensor in tensors.items():
        parameter = model.get_parameter(name)
        if parameter.shape != tensor.shape:
            raise ModelError(f"{folder}: {name} has shape {list(tensor.shape)}, wanted {list(parameter.shape)}")
        parameter.copy_(tensor)
