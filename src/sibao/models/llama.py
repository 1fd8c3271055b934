"""Llama (arXiv 2302.13971, 2307.09288, 2407.21783): RMSNorm, RoPE, SwiGLU, grouped key/value heads."""

from __future__ import annotations

from typing import Any

from sibao.models._llama_like import LLAMA_RENAMES, llama_like, llama_like_json
from sibao.models.base import Keys
from sibao.nn.config import DecoderConfig

ARCHITECTURE = "LlamaForCausalLM"
RENAMES = LLAMA_RENAMES
TINY: dict[str, Any] = {
    "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 56, "max_position_embeddings": 64, "tie_word_embeddings": False,
}  # fmt: skip
"""A small config.json for tests."""


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``."""
    bias = keys.get("attention_bias", False)
    return llama_like(keys, qkv_bias=bias, out_bias=bias, mlp_bias=keys.get("mlp_bias", False))


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    return llama_like_json(config, "llama", ARCHITECTURE) | {
        "attention_bias": config.qkv_bias,
        "mlp_bias": config.mlp_bias,
    }
