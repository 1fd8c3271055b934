"""What the families share: reading ``config.json`` strictly, and renaming tensors both ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sibao.core.errors import ModelError
from sibao.nn.config import DecoderConfig

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

    def expect(self, name: str, allowed: tuple[Any, ...], default: Any) -> Any:
        """A key of which only some values are supported."""
        value = self.get(name, default)
        if value not in allowed:
            raise ModelError(
                f"config.json has {name} = {value!r}; supported: {', '.join(map(repr, allowed))}",
                hint="this variant of the family is not implemented",
            )
        return value

    def finish(self) -> None:
        """Refuse keys that nobody read and that are not known to be neutral."""
        unknown = sorted(k for k in self.data if k not in self.used and k not in NEUTRAL)
        if unknown:
            raise ModelError(
                f"config.json has keys this version does not know: {', '.join(unknown)}",
                hint="loading would ignore them and compute something else",
            )


@dataclass(frozen=True)
class Rename:
    """One tensor (or one per layer): checkpoint name ↔ decoder name. ``{i}`` stands for the layer number.

    ``fused`` lists several decoder tensors that the checkpoint keeps as one, joined along the output dim.
    ``transpose``: the checkpoint stores [in, out] (GPT-2's Conv1D).
    """

    checkpoint: str
    fused: tuple[str, ...]
    transpose: bool = False


def rename(checkpoint: str, *decoder: str, transpose: bool = False) -> Rename:
    """Shorthand for a ``Rename``."""
    return Rename(checkpoint, decoder, transpose)


LLAMA_RENAMES = (
    rename("model.embed_tokens.weight", "embed_tokens.weight"),
    rename("model.norm.weight", "norm.weight"),
    rename("lm_head.weight", "lm_head.weight"),
    *(
        rename(f"model.layers.{{i}}.{n}", f"layers.{{i}}.{n}")
        for n in (
            "input_layernorm.weight",
            "post_attention_layernorm.weight",
            "self_attn.q_norm.weight",
            "self_attn.k_norm.weight",
            *(f"self_attn.{p}_proj.{w}" for p in "qkvo" for w in ("weight", "bias")),
            *(f"mlp.{p}_proj.{w}" for p in ("gate", "up", "down") for w in ("weight", "bias")),
        )
    ),
)


def fill(name: str, layer: str) -> str:
    """A tensor's name with the layer number in its place."""
    return name.replace("{i}", layer)


def matcher(renames: tuple[Rename, ...], side: Callable[[Rename], str]) -> Callable[[str], tuple[Rename, str] | None]:
    """A function that finds the rule of a tensor name and its layer number (as text)."""
    rules = [(re.compile(re.escape(side(r)).replace(r"\{i\}", r"(?P<i>\d+)")), r) for r in renames]

    def match(name: str) -> tuple[Rename, str] | None:
        for pattern, rule in rules:
            if found := pattern.fullmatch(name):
                return rule, found.groupdict().get("i") or ""
        return None

    return match


def split_fused(rule: Rename, layer: str, tensor: Tensor, sizes: list[int]) -> dict[str, Tensor]:
    """Decoder tensors of one checkpoint tensor; ``sizes`` are the output widths of the fused parts."""
    if rule.transpose:
        tensor = tensor.t()
    parts = tensor.split(sizes, dim=0) if len(rule.fused) > 1 else (tensor,)
    return {fill(n, layer): part for n, part in zip(rule.fused, parts, strict=True)}


def to_checkpoint(renames: tuple[Rename, ...], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's tensors under their checkpoint names, fused and transposed as the family stores them.

    Raises:
        ModelError: a tensor that the family has no name for (an adapter's, or another family's).
    """
    import torch

    out: dict[str, Tensor] = {}
    left = set(state)
    layers = 1 + max((int(n) for name in state for n in re.findall(r"\.(\d+)\.", name)), default=0)
    for rule in renames:
        for i in range(layers if "{i}" in rule.checkpoint else 1):
            names = [fill(n, str(i)) for n in rule.fused]
            if all(n in state for n in names):
                left.difference_update(names)
                tensor = torch.cat([state[n] for n in names]) if len(names) > 1 else state[names[0]]
                out[fill(rule.checkpoint, str(i))] = tensor.t() if rule.transpose else tensor
    if left:
        raise ModelError(
            f"the family has no name for {len(left)} tensors of this model ({', '.join(sorted(left)[:3])})",
            hint="save it under its own family, and merge adapters first",
        )
    return out


def rope_theta(keys: Keys) -> float:
    """The rotary base from either spelling (``rope_parameters`` of Transformers 5, or ``rope_theta``); scaling is refused."""
    bare = keys.get("rope_theta", 10000.0)
    parameters = keys.get("rope_scaling", None) or keys.get("rope_parameters", None) or {}
    keys.used.add("rope_parameters")
    if not isinstance(parameters, Mapping):
        raise ModelError(f"config.json has rope_parameters = {parameters!r}; wanted an object")
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    if kind != "default":
        raise ModelError(
            f"config.json asks for rope scaling {kind!r}; supported: 'default'",
            hint="positions would be wrong without it",
        )
    if unknown := sorted(parameters.keys() - {"rope_type", "type", "rope_theta"}):
        raise ModelError(
            f"config.json has rope parameters this version does not know: {', '.join(unknown)}",
            hint="positions would be wrong without them",
        )
    return float(parameters.get("rope_theta") or bare)


def llama_like(keys: Keys, **fixed: Any) -> DecoderConfig:
    """The part of the config that Llama, Mistral, Qwen2 and Qwen3 share."""
    heads = keys.get("num_attention_heads")
    fields: dict[str, Any] = {
        "vocab_size": keys.get("vocab_size"),
        "hidden_size": keys.get("hidden_size"),
        "num_hidden_layers": keys.get("num_hidden_layers"),
        "num_attention_heads": heads,
        "num_key_value_heads": keys.get("num_key_value_heads", heads),
        "head_dim": keys.get("head_dim", keys.get("hidden_size") // heads),
        "intermediate_size": keys.get("intermediate_size"),
        "max_position_embeddings": keys.get("max_position_embeddings"),
        "norm_eps": keys.get("rms_norm_eps", 1e-6),
        "rope_theta": rope_theta(keys),
        "tie_word_embeddings": keys.get("tie_word_embeddings", False),
        "initializer_range": keys.get("initializer_range", 0.02),
    }
    keys.expect("hidden_act", ("silu",), "silu")
    fields.update(fixed)
    return DecoderConfig(**fields)


def llama_like_json(c: DecoderConfig, model_type: str, architecture: str) -> dict[str, Any]:
    """The shared part of ``config.json``, in the keys of Transformers 5."""
    return {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": c.vocab_size,
        "hidden_size": c.hidden_size,
        "num_hidden_layers": c.num_hidden_layers,
        "num_attention_heads": c.num_attention_heads,
        "num_key_value_heads": c.num_key_value_heads,
        "head_dim": c.head_dim,
        "intermediate_size": c.intermediate_size,
        "max_position_embeddings": c.max_position_embeddings,
        "hidden_act": "silu",
        "rms_norm_eps": c.norm_eps,
        "rope_theta": c.rope_theta,
        "rope_parameters": {"rope_theta": c.rope_theta, "rope_type": "default"},
        "tie_word_embeddings": c.tie_word_embeddings,
        "initializer_range": c.initializer_range,
    }
