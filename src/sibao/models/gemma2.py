"""Gemma 2 (arXiv 2408.00118): windows in every other layer, soft-capped scores and logits, norms also after each part."""

from __future__ import annotations

from typing import Any

from sibao.models import llama
from sibao.models._llama_like import (
    ACTIVATIONS,
    EMBEDDING_RENAMES,
    activation_json,
    layer_types,
    llama_like,
    llama_like_json,
    windows,
)
from sibao.models.base import Keys, rename
from sibao.nn.config import DecoderConfig

ARCHITECTURE = "Gemma2ForCausalLM"
RENAMES = (
    *EMBEDDING_RENAMES,
    *(
        rename(f"model.layers.{{i}}.{theirs}.weight", f"layers.{{i}}.{ours}.weight")
        for theirs, ours in (
            ("input_layernorm", "input_layernorm"),
            ("post_attention_layernorm", "attention_output_norm"),
            ("pre_feedforward_layernorm", "post_attention_layernorm"),
            ("post_feedforward_layernorm", "mlp_output_norm"),
            *((f"self_attn.{n}_norm", f"self_attn.{n}_norm") for n in "qk"),
            *((f"mlp.{n}_proj", f"mlp.{n}_proj") for n in ("gate", "up", "down")),
        )
    ),
    *(
        rename(f"model.layers.{{i}}.self_attn.{n}_proj.{w}", f"layers.{{i}}.self_attn.{n}_proj.{w}")
        for n in "qkvo"
        for w in ("weight", "bias")
    ),
)
TINY: dict[str, Any] = llama.TINY | {
    "num_hidden_layers": 3, "head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 24,
    "attn_logit_softcapping": 5.0, "final_logit_softcapping": 10.0, "tie_word_embeddings": True,
}  # fmt: skip


def gemma_like(keys: Keys, **fixed: Any) -> DecoderConfig:
    """What Gemma 2 and 3 share."""
    keys.get("hidden_act", None)  # stands in the published files too; hidden_activation counts
    bias = keys.get("attention_bias", False)
    keys.expect("use_bidirectional_attention", (False,), False)
    keys.get("cache_implementation", None)
    return llama_like(
        keys,
        norm="rms_offset",
        output_norms=True,
        activation=ACTIVATIONS[keys.expect("hidden_activation", tuple(ACTIVATIONS), "gelu_pytorch_tanh")],
        head_dim=keys.get("head_dim", 256),
        qkv_bias=bias,
        out_bias=bias,
        query_pre_attn_scalar=keys.get("query_pre_attn_scalar", 256),
        scaled_embeddings=True,
        tie_word_embeddings=keys.get("tie_word_embeddings", True),
        **fixed,
    )


def gemma_like_json(c: DecoderConfig, model_type: str, architecture: str) -> dict[str, Any]:
    """The keys of ``config.json`` that Gemma 2 and 3 share."""
    return llama_like_json(c, model_type, architecture) | {
        "hidden_activation": activation_json(c),
        "attention_bias": c.qkv_bias,
        "query_pre_attn_scalar": c.query_pre_attn_scalar,
        "sliding_window": c.sliding_window,
        "layer_types": layer_types(c),
        "attn_logit_softcapping": c.attention_softcap,
        "final_logit_softcapping": c.logit_softcap,
    }


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``."""
    every_other = [i % 2 == 0 for i in range(keys.get("num_hidden_layers"))]
    return gemma_like(
        keys,
        attention_softcap=keys.optional("attn_logit_softcapping", 50.0),
        logit_softcap=keys.optional("final_logit_softcapping", 30.0),
        **windows(keys, keys.optional("sliding_window", 4096), every_other),
    )


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    return gemma_like_json(config, "gemma2", ARCHITECTURE)
