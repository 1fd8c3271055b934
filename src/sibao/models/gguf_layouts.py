"""The architectures of llama.cpp that families are written as: names of tensors, and what each computes exactly.

Sources: the GGUF specification (ggml, docs/gguf.md) and the lists of architectures and tensors of the ``gguf`` package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sibao.models.base import Rename, rename
from sibao.nn.scaling import LinearScaling, Llama3Scaling, LongScaling, Scaling, YarnScaling


@dataclass(frozen=True)
class Layout:
    """One of llama.cpp's architectures.

    ``allowed``: values it computes of the fields that vary (``float``: any number); a field not named there must have
    its default.
    ``paired``: rotary positions turn neighbouring rows (2i, 2i+1), as in Meta's Llama, instead of halves (i, i + d/2).
    ``square``: the query heads together must be as wide as the model.
    ``cut``: it slides no window where the model does; within one window both are the same.
    ``slides``: it slides the model's window in all layers but every so many-th.
    ``widest``: in a model of so many layers scores are divided by the root of hidden_size / heads, not of head_dim.
    ``scalings``: ways of stretching the rotation that it computes.
    """

    architecture: str
    names: tuple[Rename, ...]
    allowed: dict[str, tuple[Any, ...]]
    paired: bool = False
    square: bool = False
    cut: bool = False
    slides: int | None = None
    widest: int | None = None
    scalings: tuple[type[Scaling], ...] = (LinearScaling, YarnScaling)


def _both(gguf: str, *decoder: str) -> tuple[Rename, ...]:
    """Weight and bias of one layer."""
    return tuple(
        rename(f"blk.{{i}}.{gguf}.{w}", *(f"layers.{{i}}.{d}.{w}" for d in decoder)) for w in ("weight", "bias")
    )


_COMMON = (
    rename("token_embd.weight", "embed_tokens.weight"),
    rename("position_embd.weight", "embed_positions.weight"),
    rename("output_norm.weight", "norm.weight"),
    rename("output_norm.bias", "norm.bias"),
    rename("output.weight", "lm_head.weight"),
    *_both("attn_norm", "input_layernorm"),
    *_both("attn_output", "self_attn.o_proj"),
    *_both("ffn_norm", "post_attention_layernorm"),
    *_both("ffn_down", "mlp.down_proj"),
)
_SPLIT = (
    *_both("attn_q", "self_attn.q_proj"),
    *_both("attn_k", "self_attn.k_proj"),
    *_both("attn_v", "self_attn.v_proj"),
)
_FUSED = _both("attn_qkv", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_UP, _GATE = _both("ffn_up", "mlp.up_proj"), _both("ffn_gate", "mlp.gate_proj")
_GATE_UP = _both("ffn_up", "mlp.gate_proj", "mlp.up_proj")
_HEAD_NORMS = (*_both("attn_q_norm", "self_attn.q_norm"), *_both("attn_k_norm", "self_attn.k_norm"))
_OUTPUT_NORMS = (*_both("post_attention_norm", "attention_output_norm"), *_both("post_ffw_norm", "mlp_output_norm"))
_EXPERTS = (
    *_both("ffn_gate_inp", "mlp.gate"),
    *(r for p in ("gate", "up", "down") for r in _both(f"ffn_{p}_exps", f"mlp.experts.{p}_proj")),
)
_LLAMA = (*_COMMON, *_SPLIT, *_UP, *_GATE)
_EITHER = (False, True)
_PAIRED = (LinearScaling, YarnScaling, Llama3Scaling)
_GEMMA: dict[str, tuple[Any, ...]] = {
    "norm": ("rms_offset",), "output_norms": (True,), "activation": ("gelu_tanh",), "scaled_embeddings": (True,),
    "query_pre_attn_scalar": (float,),
}  # fmt: skip
LAYOUTS = {
    "gpt2": Layout(
        "gpt2", (*_COMMON, *_FUSED, *_UP),
        {"norm": ("layer",), "activation": ("gelu_tanh",), "gated_mlp": (False,), "positions": ("learned",),
         "qkv_bias": (True,), "out_bias": (True,), "mlp_bias": (True,)}, square=True,
    ),
    "llama": Layout("llama", _LLAMA, {"qkv_bias": _EITHER, "out_bias": _EITHER, "mlp_bias": _EITHER}, paired=True,
                    scalings=_PAIRED),
    "mistral": Layout("llama", _LLAMA, {}, paired=True, cut=True, scalings=_PAIRED),
    "mixtral": Layout("llama", (*_COMMON, *_SPLIT, *_EXPERTS), {}, paired=True, cut=True, scalings=_PAIRED),
    "phi3": Layout("phi3", (*_COMMON, *_FUSED, *_GATE_UP), {"partial_rotary_factor": (float,)}, square=True, cut=True,
                   scalings=(LongScaling,)),
    "qwen2": Layout("qwen2", _LLAMA, {"qkv_bias": (True,)}, square=True),
    "qwen3": Layout("qwen3", (*_LLAMA, *_HEAD_NORMS), {"qk_norm": (True,)}),
    "qwen3_moe": Layout("qwen3moe", (*_COMMON, *_SPLIT, *_HEAD_NORMS, *_EXPERTS), {"qk_norm": (True,)}),
    "gemma2": Layout(
        "gemma2", (*_LLAMA, *_OUTPUT_NORMS),
        _GEMMA | {"attention_softcap": (float,), "logit_softcap": (float,), "tie_word_embeddings": (True,)},
        slides=2, widest=46, scalings=(LinearScaling,),
    ),
    "gemma3_text": Layout(
        "gemma3", (*_LLAMA, *_OUTPUT_NORMS, *_HEAD_NORMS),
        _GEMMA | {"qk_norm": (True,), "local_rope_theta": (float,), "logit_softcap": (None, float)},
        slides=6, widest=62, scalings=(LinearScaling,),
    ),
}  # fmt: skip
"""Families with a place in GGUF."""
