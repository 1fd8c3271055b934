"""What the families that descend from Llama share: most of ``config.json``, windows by layer, tensor names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sibao.core.errors import ModelError, UnsupportedModel
from sibao.models._rotary import rope, rope_json
from sibao.models.base import Keys, rename
from sibao.nn.config import DecoderConfig

ACTIVATIONS = {"silu": "silu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh"}
"""Names of activations in ``config.json`` and here; of two names for one, the first is written."""
EMBEDDING_RENAMES = (
    rename("model.embed_tokens.weight", "embed_tokens.weight"),
    rename("model.norm.weight", "norm.weight"),
    rename("lm_head.weight", "lm_head.weight"),
)
LLAMA_RENAMES = (
    *EMBEDDING_RENAMES,
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
SLIDING, FULL = "sliding_attention", "full_attention"


def llama_like(keys: Keys, **fixed: Any) -> DecoderConfig:
    """The part of the config that Llama and its kin share; ``fixed`` fields are the family's own."""
    heads = keys.get("num_attention_heads")
    fields: dict[str, Any] = {
        "vocab_size": keys.get("vocab_size"),
        "hidden_size": keys.get("hidden_size"),
        "num_hidden_layers": keys.get("num_hidden_layers"),
        "num_attention_heads": heads,
        "num_key_value_heads": keys.get("num_key_value_heads", heads),
        "head_dim": keys.get("head_dim", keys.get("hidden_size") // heads),
        "intermediate_size": keys.get("intermediate_size"),
        "norm_eps": keys.get("rms_norm_eps", 1e-6),
        "tie_word_embeddings": keys.get("tie_word_embeddings", False),
        "initializer_range": keys.get("initializer_range", 0.02),
    }
    if "activation" not in fixed:
        fields["activation"] = ACTIVATIONS[keys.expect("hidden_act", tuple(ACTIVATIONS), "silu")]
    if "rope_theta" not in fixed:
        fields.update(rope(keys))
    fields.update(fixed)
    return DecoderConfig(**fields)


def llama_like_json(c: DecoderConfig, model_type: str, architecture: str) -> dict[str, Any]:
    """The shared part of ``config.json``, in the keys of Transformers 5 and the older ones."""
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
        "hidden_act": activation_json(c),
        "rms_norm_eps": c.norm_eps,
        **rope_json(c),
        "tie_word_embeddings": c.tie_word_embeddings,
        "initializer_range": c.initializer_range,
    }


def activation_json(c: DecoderConfig) -> str:
    """The activation's name in ``config.json``."""
    return next(name for name, own in ACTIVATIONS.items() if own == c.activation)


def windows(keys: Keys, window: int | None, default: Sequence[bool]) -> dict[str, Any]:
    """The fields that say which layers look back how far.

    Args:
        window: what the file says of its size.
        default: whether each layer has one, when the file has no ``layer_types``.
    """
    kinds = keys.get("layer_types", [SLIDING if windowed else FULL for windowed in default])
    if odd := sorted({str(k) for k in kinds} - {SLIDING, FULL}):
        raise UnsupportedModel(
            f"config.json has layer_types with {', '.join(odd)}; supported: {FULL}, {SLIDING}",
            hint="this variant of the family is not implemented",
        )
    if window is None and SLIDING in kinds:
        raise ModelError(
            "config.json asks for sliding windows in some layers and says no size of them",
            hint="sliding_window is missing, or use_sliding_window is false",
        )
    return {"sliding_window": window, "windowed_layers": None if window is None else tuple(k == SLIDING for k in kinds)}


def layer_types(c: DecoderConfig) -> list[str]:
    """The kind of attention of each layer, as ``config.json`` names it."""
    return [SLIDING if c.windowed(i) else FULL for i in range(c.num_hidden_layers)]
