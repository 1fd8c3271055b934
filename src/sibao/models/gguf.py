"""Decoders as llama.cpp's GGUF files name and number them: hyperparameters, tensor names, order of rows.

Only what llama.cpp computes exactly is mapped; a model that needs more is refused here, not turned into something else.
Knows nothing of tokenizers, and does not need the ``gguf`` package. Sources: the GGUF specification (ggml, docs/gguf.md)
and the architecture lists of the ``gguf`` package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from torch import Tensor

from sibao.core.errors import ModelError
from sibao.models.base import Rename, rename, to_checkpoint
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder
from sibao.nn.scaling import LinearScaling, Llama3Scaling, Scaling, YarnScaling, frequencies

_SIZES = frozenset(
    ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
     "intermediate_size", "max_position_embeddings", "norm_eps", "rope_theta", "tie_word_embeddings", "initializer_range"]
)  # fmt: skip
"""Fields of the shape that may have any value."""
_ELSEWHERE = _SIZES | {"sliding_window", "windowed_layers", "rope_scaling"}
"""Fields that are not checked by a list of values."""


def _both(gguf: str, *decoder: str) -> tuple[Rename, ...]:
    """Weight and bias of one layer."""
    return tuple(
        rename(f"blk.{{i}}.{gguf}.{w}", *(f"layers.{{i}}.{d}.{w}" for d in decoder)) for w in ("weight", "bias")
    )


_ENDS = (
    rename("token_embd.weight", "embed_tokens.weight"),
    rename("position_embd.weight", "embed_positions.weight"),
    rename("output_norm.weight", "norm.weight"),
    rename("output_norm.bias", "norm.bias"),
    rename("output.weight", "lm_head.weight"),
)
_BLOCK = (
    *_both("attn_norm", "input_layernorm"),
    *_both("attn_output", "self_attn.o_proj"),
    *_both("ffn_norm", "post_attention_layernorm"),
    *_both("ffn_gate", "mlp.gate_proj"),
    *_both("ffn_up", "mlp.up_proj"),
    *_both("ffn_down", "mlp.down_proj"),
)
_SPLIT = (
    *_both("attn_q", "self_attn.q_proj"),
    *_both("attn_k", "self_attn.k_proj"),
    *_both("attn_v", "self_attn.v_proj"),
)
_FUSED = _both("attn_qkv", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_HEAD_NORMS = (*_both("attn_q_norm", "self_attn.q_norm"), *_both("attn_k_norm", "self_attn.k_norm"))


@dataclass(frozen=True)
class Layout:
    """One of llama.cpp's architectures.

    ``allowed``: values it computes of the fields that vary; a field not named there must have its default.
    ``paired``: rotary positions turn neighbouring rows (2i, 2i+1), as in Meta's Llama, instead of halves (i, i + d/2).
    ``square``: the query heads together must be as wide as the model.
    """

    architecture: str
    names: tuple[Rename, ...]
    allowed: dict[str, tuple[Any, ...]]
    paired: bool = False
    square: bool = False


_EITHER = (False, True)
LAYOUTS = {
    "gpt2": Layout(
        "gpt2", (*_ENDS, *_BLOCK, *_FUSED),
        {"norm": ("layer",), "activation": ("gelu_tanh",), "gated_mlp": (False,), "positions": ("learned",),
         "qkv_bias": (True,), "out_bias": (True,), "mlp_bias": (True,)}, square=True,
    ),
    "llama": Layout(
        "llama", (*_ENDS, *_BLOCK, *_SPLIT), {"qkv_bias": _EITHER, "out_bias": _EITHER, "mlp_bias": _EITHER}, paired=True
    ),
    "mistral": Layout("llama", (*_ENDS, *_BLOCK, *_SPLIT), {}, paired=True),
    "qwen2": Layout("qwen2", (*_ENDS, *_BLOCK, *_SPLIT), {"qkv_bias": (True,)}, square=True),
    "qwen3": Layout("qwen3", (*_ENDS, *_BLOCK, *_SPLIT, *_HEAD_NORMS), {"qk_norm": (True,)}),
}  # fmt: skip
"""Families with a place in GGUF."""


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
        if field.name not in _ELSEWHERE and value not in fitting:
            _refuse(layout, f"{field.name} = {value!r}", f", only {_words(fitting)}")
    if layout.square and config.query_size != config.hidden_size:
        heads = f"{config.num_attention_heads} heads of {config.head_dim}"
        _refuse(layout, heads, f" in a model {config.hidden_size} wide")
    if window_of(config) is not None and family != "mistral":
        _refuse(layout, "sliding window")
    _scaling(layout, config.rope_scaling)
    return layout


def _refuse(layout: Layout, what: str, only: str = "") -> NoReturn:
    raise ModelError(
        f"llama.cpp's {layout.architecture} has no {what}{only}",
        hint="it would compute something else; --format hf keeps the model as it is",
    )


def _words(values: tuple[Any, ...]) -> str:
    return " or ".join(repr(v) for v in values)


def window_of(config: DecoderConfig) -> int | None:
    """The sliding window, if there is a layer that it holds in and a text that is longer."""
    holds = any(config.windowed(i) for i in range(config.num_hidden_layers))
    window = config.sliding_window if holds else None
    return window if window is not None and window < config.max_position_embeddings else None


def context_of(config: DecoderConfig) -> int:
    """Tokens that the file promises: with a sliding window no more than fit into it, since llama.cpp's llama has none.

    Inside one window, with and without it is the same.
    """
    return window_of(config) or config.max_position_embeddings


def hyperparameters(layout: Layout, config: DecoderConfig) -> dict[str, int | float | str]:
    """Metadata of the shape: key → number or word."""
    values: dict[str, int | float | str] = {
        "context_length": context_of(config),
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
        values["rope.dimension_count"] = config.head_dim
        values["rope.freq_base"] = float(config.rope_theta)
        values |= _scaling(layout, config.rope_scaling)
    return {f"{layout.architecture}.{key}": value for key, value in values.items()}


def _scaling(layout: Layout, scaling: Scaling | None) -> dict[str, int | float | str]:
    """Keys of a stretched rotation. Llama 3's is a tensor instead, see ``tensors``."""
    if scaling is None or (isinstance(scaling, Llama3Scaling) and layout.paired):
        return {}
    if isinstance(scaling, LinearScaling):
        return {"rope.scaling.type": "linear", "rope.scaling.factor": scaling.factor}
    plain = YarnScaling(scaling.factor or 1.0, scaling.original_max_position_embeddings)
    if not isinstance(scaling, YarnScaling) or scaling != plain:  # llama.cpp takes the paper's constants
        _refuse(layout, f"rope scaling {scaling!r}")
    return {
        "rope.scaling.type": "yarn", "rope.scaling.factor": scaling.factor,
        "rope.scaling.original_context_length": scaling.original_max_position_embeddings,
    }  # fmt: skip


def tensors(layout: Layout, model: Decoder) -> Iterator[tuple[str, Tensor]]:
    """Tensors under their GGUF names, [out, in], rows in the order that llama.cpp wants; a tied output is left out."""
    state = {k: v.detach() for k, v in model.state_dict().items() if k not in model.tied}
    config = model.config
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for name, tensor in to_checkpoint(layout.names, state).items():
        kind = name.split(".")[-2]
        yield name, paired_rows(tensor, heads[kind]) if layout.paired and kind in heads else tensor
    if isinstance(scaling := config.rope_scaling, Llama3Scaling):  # how often slower each pair turns
        size, theta = config.rotary_size, config.rope_theta
        yield "rope_freqs.weight", frequencies(size, theta) / scaling.frequencies(size, theta)


def paired_rows(tensor: Tensor, heads: int) -> Tensor:
    """Rows of each head from halves (all first members of the rotary pairs, then all second) to neighbours.

    Args:
        tensor: weight [heads · d, in] or bias [heads · d]. Row h·d + 2i + j becomes what row h·d + j·d/2 + i was
            (i < d/2, j < 2): attention is the same, since queries and keys change alike.
    """
    rest = tensor.shape[1:]
    return tensor.reshape(heads, 2, -1, *rest).transpose(1, 2).reshape(tensor.shape)
