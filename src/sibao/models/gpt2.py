"""GPT-2 (Radford et al. 2019): learned positions, LayerNorm, GELU, one fused projection for queries, keys and values."""

from __future__ import annotations

from typing import Any

from sibao.models.base import Keys, rename
from sibao.nn.config import DecoderConfig

ARCHITECTURE = "GPT2LMHeadModel"
RENAMES = (
    rename("transformer.wte.weight", "embed_tokens.weight"),
    rename("transformer.wpe.weight", "embed_positions.weight"),
    rename("lm_head.weight", "lm_head.weight"),
    *(
        rule
        for w in ("weight", "bias")
        for rule in (
            rename(f"transformer.ln_f.{w}", f"norm.{w}"),
            rename(f"transformer.h.{{i}}.ln_1.{w}", f"layers.{{i}}.input_layernorm.{w}"),
            rename(f"transformer.h.{{i}}.ln_2.{w}", f"layers.{{i}}.post_attention_layernorm.{w}"),
            rename(
                f"transformer.h.{{i}}.attn.c_attn.{w}",
                *(f"layers.{{i}}.self_attn.{p}_proj.{w}" for p in "qkv"),
                transpose=w == "weight",
            ),
            rename(
                f"transformer.h.{{i}}.attn.c_proj.{w}", f"layers.{{i}}.self_attn.o_proj.{w}", transpose=w == "weight"
            ),
            rename(f"transformer.h.{{i}}.mlp.c_fc.{w}", f"layers.{{i}}.mlp.up_proj.{w}", transpose=w == "weight"),
            rename(f"transformer.h.{{i}}.mlp.c_proj.{w}", f"layers.{{i}}.mlp.down_proj.{w}", transpose=w == "weight"),
        )
    ),
)
TINY: dict[str, Any] = {
    "vocab_size": 97, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "n_inner": None,
}  # fmt: skip


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``."""
    width, heads = keys.get("n_embd"), keys.get("n_head")
    activations = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu"}
    activation = keys.expect("activation_function", tuple(activations), "gelu_new")
    keys.expect("scale_attn_weights", (True,), True)
    keys.expect("scale_attn_by_inverse_layer_idx", (False,), False)
    keys.expect("add_cross_attention", (False,), False)
    keys.get("reorder_and_upcast_attn", False)
    return DecoderConfig(
        vocab_size=keys.get("vocab_size"), hidden_size=width, num_hidden_layers=keys.get("n_layer"),
        num_attention_heads=heads, num_key_value_heads=heads, head_dim=width // heads,
        intermediate_size=keys.get("n_inner", 4 * width), max_position_embeddings=keys.get("n_positions"),
        norm="layer", norm_eps=keys.get("layer_norm_epsilon", 1e-5), activation=activations[activation],  # type: ignore[arg-type]
        gated_mlp=False, positions="learned", qkv_bias=True, out_bias=True, mlp_bias=True,
        tie_word_embeddings=keys.get("tie_word_embeddings", True),
        initializer_range=keys.get("initializer_range", 0.02),
    )  # fmt: skip


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    return {
        "architectures": [ARCHITECTURE], "model_type": "gpt2", "vocab_size": config.vocab_size,
        "n_embd": config.hidden_size, "n_layer": config.num_hidden_layers, "n_head": config.num_attention_heads,
        "n_inner": config.intermediate_size, "n_positions": config.max_position_embeddings,
        "layer_norm_epsilon": config.norm_eps, "initializer_range": config.initializer_range,
        "activation_function": "gelu_new" if config.activation == "gelu_tanh" else "gelu",
        "tie_word_embeddings": config.tie_word_embeddings,
    }  # fmt: skip
