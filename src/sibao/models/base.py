"""What the families share: reading ``config.json`` strictly, and renaming tensors both ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from torch import Tensor

from sibao.core.errors import ModelError, UnsupportedModel

# Keys of config.json that say nothing about what the model computes at inference.
NEUTRAL = frozenset(
    [
        "_name_or_path",
        "architectures",
        "model_type",
        "dtype",
        "torch_dtype",
        "transformers_version",
        "use_cache",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "attention_dropout",
        "hidden_dropout",
        "attn_pdrop",
        "embd_pdrop",
        "resid_pdrop",
        "pretraining_tp",
        "auto_map",
        "chunk_size_feed_forward",
        "id2label",
        "label2id",
        "is_encoder_decoder",
        "output_attentions",
        "output_hidden_states",
        "return_dict",
        "problem_type",
        "task_specific_params",
        "summary_activation",
        "summary_first_dropout",
        "summary_proj_to_labels",
        "summary_type",
        "summary_use_proj",
        "gradient_checkpointing",
        "layer_norm_epsilon",
        "n_ctx",
        "_attn_implementation",
        "use_return_dict",
        "tokenizer_class",
    ]
)


@dataclass
class Keys:
    """A ``config.json`` that remembers which keys were read; what is left over is an error, never dropped."""

    data: Mapping[str, Any]
    used: set[str] = field(default_factory=set)

    def get(self, name: str, default: Any = ...) -> Any:
        """The value of a key; a missing key without default is refused."""
        self.used.add(name)
        value = self.data.get(name)
        if value is not None:
            return value
        if default is ...:
            raise ModelError(f"config.json lacks {name!r}", hint="the folder is damaged or of another family")
        return default

    def optional(self, name: str, default: Any) -> Any:
        """The value of a key for which null is a value too: None when the file says null, the default when it is silent."""
        return self.get(name, None) if name in self.data else default

    def expect(self, name: str, allowed: tuple[Any, ...], default: Any) -> Any:
        """A key of which only some values are supported."""
        value = self.get(name, default)
        if value not in allowed:
            raise UnsupportedModel(
                f"config.json has {name} = {value!r}; supported: {', '.join(map(repr, allowed))}",
                hint="this variant of the family is not implemented",
            )
        return value

    def unread(self) -> list[str]:
        """Keys that nobody read and that are not known to be neutral."""
        return sorted(k for k in self.data if k not in self.used and k not in NEUTRAL)

    def finish(self) -> None:
        """Refuse keys that nobody read and that are not known to be neutral."""
        if unknown := self.unread():
            raise UnsupportedModel(
                f"config.json has keys this version does not know: {', '.join(unknown)}",
                hint="loading would ignore them and compute something else",
            )


@dataclass(frozen=True)
class Rename:
    """One tensor (or one per layer): checkpoint name ↔ decoder name. ``{i}`` stands for the layer number,
    ``{e}`` for the number of an expert in it.

    ``fused`` lists several decoder tensors that the checkpoint keeps as one, joined along the output dim.
    ``transpose``: the checkpoint stores [in, out] (GPT-2's Conv1D).
    ``alias``: published files also say it so; read, never written. An alias of nothing is a tensor of another head:
    it is left out.
    """

    checkpoint: str
    fused: tuple[str, ...]
    transpose: bool = False
    alias: bool = False


def rename(checkpoint: str, *decoder: str, transpose: bool = False, alias: bool = False) -> Rename:
    """Shorthand for a ``Rename``."""
    return Rename(checkpoint, decoder, transpose, alias)


def fill(name: str, place: str) -> str:
    """A tensor's name with the numbers of its place, ``layer`` or ``layer.expert``, put in."""
    layer, _, expert = place.partition(".")
    return name.replace("{i}", layer).replace("{e}", expert)


def matcher(renames: tuple[Rename, ...], side: Callable[[Rename], str]) -> Callable[[str], tuple[Rename, str] | None]:
    """A function that finds the rule of a tensor name and its place (see ``fill``)."""
    rules = [(re.compile(re.sub(r"\\\{[ie]\\\}", r"(\\d+)", re.escape(side(r)))), r) for r in renames]

    def match(name: str) -> tuple[Rename, str] | None:
        for pattern, rule in rules:
            if found := pattern.fullmatch(name):
                return rule, ".".join(found.groups())
        return None

    return match


def split_fused(rule: Rename, layer: str, tensor: Tensor, sizes: list[int]) -> dict[str, Tensor]:
    """Decoder tensors of one checkpoint tensor; ``sizes`` are the output widths of the fused parts."""
    if rule.transpose:
        tensor = tensor.t()
    if not rule.fused:
        return {}
    parts = tensor.split(sizes, dim=0) if len(rule.fused) > 1 else (tensor,)
    return {fill(n, layer): part for n, part in zip(rule.fused, parts, strict=True)}


def places(rule: Rename, state: Mapping[str, Tensor]) -> list[str]:
    """The places (see ``fill``) at which all of a rule's tensors are in ``state``."""
    numbers = 1 + max((int(n) for name in state for n in re.findall(r"\.(\d+)\.", name)), default=0)
    return [p for p in _places(rule, numbers) if all(fill(n, p) in state for n in rule.fused)]


def _places(rule: Rename, numbers: int) -> Iterator[str]:
    """Every place that a rule's names can have when layers and experts are numbered below ``numbers``."""
    counts = [range(numbers)] * ("{i}" in rule.checkpoint) + [range(numbers)] * ("{e}" in rule.checkpoint)
    return (".".join(map(str, place)) for place in product(*counts))


def to_checkpoint(renames: tuple[Rename, ...], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's tensors under their checkpoint names, fused and transposed as the family stores them.

    Raises:
        ModelError: a tensor that the family has no name for (an adapter's, or another family's).
    """
    import torch

    out: dict[str, Tensor] = {}
    left = set(state)
    numbers = 1 + max((int(n) for name in state for n in re.findall(r"\.(\d+)\.", name)), default=0)
    for rule in renames:
        if rule.alias:
            continue
        for place in _places(rule, numbers):
            names = [fill(n, place) for n in rule.fused]
            if all(n in state for n in names):
                left.difference_update(names)
                tensor = torch.cat([state[n] for n in names]) if len(names) > 1 else state[names[0]]
                out[fill(rule.checkpoint, place)] = tensor.t() if rule.transpose else tensor
    if left:
        raise ModelError(
            f"the family has no name for {len(left)} tensors of this model ({', '.join(sorted(left)[:3])})",
            hint="save it under its own family, and merge adapters first",
        )
    return out
