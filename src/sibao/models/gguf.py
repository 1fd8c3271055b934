"""Decoders as llama.cpp's GGUF files name and number them: hyperparameters, tensor names, order of rows.

Only what llama.cpp computes exactly is mapped; a model that needs more is refused here, not turned into something else.
Knows nothing of tokenizers, and does not need the ``gguf`` package. Sources: see ``gguf_layouts``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, NoReturn

import torch
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.models.base import to_checkpoint
from sibao.models.gguf_layouts import LAYOUTS, Layout
from sibao.nn.config import DecoderConfig, Experts
from sibao.nn.decoder import Decoder
from sibao.nn.scaling import LinearScaling, Llama3Scaling, LongScaling, YarnScaling, frequencies

_ELSEWHERE = frozenset(
    ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
     "intermediate_size", "max_position_embeddings", "norm_eps", "rope_theta", "tie_word_embeddings",
     "initializer_range", "experts", "rope_scaling", "sliding_window", "windowed_layers"]
)  # fmt: skip
"""Fields of the shape that may have any value, or are checked by more than a list of values."""


def layout_of(family: str, config: Any) -> Layout:
    """How llama.cpp calls a model of this family and shape.

    Raises:
        ModelError: llama.cpp has no such architecture here, or would compute something else.
    """
    layout = LAYOUTS.get(family)
    if layout is None or not isinstance(config, DecoderConfig):
        raise ModelError(
            f"models of the family {family} cannot be written as GGUF",
            hint=f"families that can: {', '.join(LAYOUTS)}; --format hf takes any",
        )
    for field in fields(config):
        value = getattr(config, field.name)
        fitting = layout.allowed.get(field.name, (field.default,))
        checked = field.name in layout.allowed or field.name not in _ELSEWHERE
        if checked and not any(_fits(value, one) for one in fitting):
            _refuse(layout, f"{field.name} = {value!r}", f", only {_words(fitting)}")
    _check_attention(layout, config)
    _check_experts(layout, config.experts, config.num_hidden_layers)
    _scaling(layout, config)
    return layout


def _fits(value: Any, allowed: Any) -> bool:
    return isinstance(value, int | float) if allowed is float else bool(value == allowed)


def _words(values: tuple[Any, ...]) -> str:
    return " or ".join("a number" if v is float else repr(v) for v in values)


def _refuse(layout: Layout, what: str, only: str = "") -> NoReturn:
    raise ModelError(
        f"llama.cpp's {layout.architecture} has no {what}{only}",
        hint="it would compute something else; --format hf keeps the model as it is",
    )


def _check_attention(layout: Layout, config: DecoderConfig) -> None:
    """Width of the heads, what scores are divided by, and where windows are."""
    heads, layers = config.num_attention_heads, config.num_hidden_layers
    if layout.square and config.query_size != config.hidden_size:
        _refuse(layout, f"{heads} heads of {config.head_dim}", f" in a model {config.hidden_size} wide")
    scalar = config.hidden_size // heads if layers == layout.widest else config.head_dim
    if config.query_pre_attn_scalar not in (None, scalar):
        what = f"query_pre_attn_scalar = {config.query_pre_attn_scalar!r}"
        _refuse(layout, what, f" in a model of {layers} layers, only {scalar}")
    if (every := layout.slides) is not None:
        if [config.windowed(i) for i in range(layers)] != [(i + 1) % every > 0 for i in range(layers)]:
            _refuse(layout, "such row of windows", f", only in all layers but {every}, {2 * every}, {3 * every}…")
    elif not layout.cut and _window(config) is not None:
        _refuse(layout, "sliding window")


def _check_experts(layout: Layout, experts: Experts | None, layers: int) -> None:
    if experts is not None and len(experts.layers) != layers:
        _refuse(layout, f"layers without experts ({layers - len(experts.layers)} here)")
    if experts is not None and not experts.normalized:
        _refuse(layout, "norm_topk_prob = False", ", only True")


def _window(config: DecoderConfig) -> int | None:
    """The sliding window, if there is a layer that it holds in and a text that is longer."""
    holds = any(config.windowed(i) for i in range(config.num_hidden_layers))
    window = config.sliding_window if holds else None
    return window if window is not None and window < config.max_position_embeddings else None


def context_of(layout: Layout, config: DecoderConfig) -> int:
    """Tokens that the file promises: no more than one window where llama.cpp has none."""
    return (_window(config) if layout.cut else None) or config.max_position_embeddings


def notes_of(layout: Layout, config: DecoderConfig) -> tuple[str, ...]:
    """What a user of the file should know."""
    found = []
    length = context_of(layout, config)
    if length < config.max_position_embeddings:
        found.append(f"llama.cpp does not slide this model's window, so the file promises {length} tokens only")
    if isinstance(config.rope_scaling, LongScaling):
        found.append(
            f"the file promises {length} tokens, the length of LongRoPE's short factors; in a larger context (-c) "
            "llama.cpp takes the long ones, which are in the file too"
        )
    return tuple(found)


def hyperparameters(layout: Layout, config: DecoderConfig) -> dict[str, int | float | str]:
    """Metadata of the shape: key → number or word."""
    values: dict[str, int | float | str] = {
        "context_length": context_of(layout, config),
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "vocab_size": config.vocab_size,
    }
    if config.positions == "learned":
        values["attention.layer_norm_epsilon"] = config.norm_eps
    else:
        values["attention.layer_norm_rms_epsilon"] = config.norm_eps
        values["attention.key_length"] = values["attention.value_length"] = config.head_dim
        values["rope.dimension_count"] = config.rotary_size
        values["rope.freq_base"] = float(config.rope_theta)
    values |= _scaling(layout, config) | _where_there(layout, config)
    return {f"{layout.architecture}.{key}": value for key, value in values.items()}


def _where_there(layout: Layout, config: DecoderConfig) -> dict[str, int | float | str]:
    """Keys of what only some models have."""
    found: dict[str, float | None] = {
        "attn_logit_softcapping": config.attention_softcap,
        "final_logit_softcapping": config.logit_softcap,
        "rope.freq_base_swa": config.local_rope_theta,
    }
    values: dict[str, int | float | str] = {key: float(v) for key, v in found.items() if v is not None}
    if layout.slides is not None and config.sliding_window is not None:
        values["attention.sliding_window"] = config.sliding_window
    if (experts := config.experts) is not None:
        values["expert_count"], values["expert_used_count"] = experts.count, experts.per_token
        values["expert_feed_forward_length"] = experts.intermediate_size
    return values


def _scaling(layout: Layout, config: DecoderConfig) -> dict[str, int | float | str]:
    """Keys of a stretched rotation; the factors of Llama 3's and of LongRoPE are tensors, see ``tensors``."""
    scaling = config.rope_scaling
    if scaling is None:
        return {}
    if not isinstance(scaling, layout.scalings):
        _refuse(layout, f"rope scaling {scaling!r}")
    if isinstance(scaling, LinearScaling):
        return {"rope.scaling.type": "linear", "rope.scaling.factor": float(scaling.factor)}
    original = {"rope.scaling.original_context_length": scaling.original_max_position_embeddings}
    if isinstance(scaling, LongScaling):
        return {"rope.scaling.attn_factor": float(scaling.attention), **original}
    if isinstance(scaling, YarnScaling):
        # llama.cpp takes the paper's constants
        if scaling != YarnScaling(scaling.factor, scaling.original_max_position_embeddings):
            _refuse(layout, f"rope scaling {scaling!r}")
        return {"rope.scaling.type": "yarn", "rope.scaling.factor": float(scaling.factor), **original}
    return {}


def tensors(layout: Layout, model: Decoder) -> Iterator[tuple[str, Tensor]]:
    """Tensors under their GGUF names, [out, in], rows in the order that llama.cpp wants; a tied output is left out.

    Those that are joined or turned are made when their layer's turn comes; experts are stacked, [experts, out, in].
    """
    config = model.config
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for part in _parts(model):
        for name, tensor in to_checkpoint(layout.names, part).items():
            kind = name.split(".")[-2]
            if layout.paired and kind in heads:
                tensor = paired_rows(tensor, heads[kind])
            if config.norm == "rms_offset" and kind.endswith("_norm"):
                tensor = tensor.float() + 1  # kept as the distance from 1
            yield name, tensor
    yield from _factors(config)


def _factors(config: DecoderConfig) -> Iterator[tuple[str, Tensor]]:
    """How often slower each rotary pair turns than without scaling, where llama.cpp reads it from tensors."""
    scaling = config.rope_scaling
    if isinstance(scaling, Llama3Scaling):
        size, theta = config.rotary_size, config.rope_theta
        yield "rope_freqs.weight", frequencies(size, theta) / scaling.frequencies(size, theta)
    if isinstance(scaling, LongScaling):
        yield "rope_factors_long.weight", torch.tensor(scaling.long_factor)
        yield "rope_factors_short.weight", torch.tensor(scaling.short_factor)


def _parts(model: Decoder) -> Iterator[Mapping[str, Tensor]]:
    """The model's tensors, a layer at a time; of experts those of one kind are one, ``mlp.experts.gate_proj.weight``."""
    parts: dict[str, dict[str, list[Tensor]]] = {}
    for name, tensor in model.state_dict().items():
        if name not in model.tied:
            layer = name.split(".")[1] if name.startswith("layers.") else ""
            one = re.sub(r"\.experts\.\d+\.", ".experts.", name)
            parts.setdefault(layer, {}).setdefault(one, []).append(tensor.detach())
    for part in parts.values():
        yield {name: torch.stack(found) if ".experts." in name else found[0] for name, found in part.items()}


def paired_rows(tensor: Tensor, heads: int) -> Tensor:
    """Rows of each head from halves (all first members of the rotary pairs, then all second) to neighbours.

    Args:
        tensor: weight [heads · d, in] or bias [heads · d]. Row h·d + 2i + j becomes what row h·d + j·d/2 + i was
            (i < d/2, j < 2): attention is the same, since queries and keys change alike.
    """
    rest = tensor.shape[1:]
    return tensor.reshape(heads, 2, -1, *rest).transpose(1, 2).reshape(tensor.shape)
