"""Qwen3 (arXiv 2505.09388): Llama with a norm on each query and key head; the architecture of ``mini``."""

from __future__ import annotations

from typing import Any

from sibao.models import llama
from sibao.models.base import LLAMA_RENAMES, Keys, llama_like, llama_like_json
from sibao.models.qwen2 import full_attention
from sibao.nn.config import DecoderConfig

ARCHITECTURE = "Qwen3ForCausalLM"
RENAMES = LLAMA_RENAMES
TINY: dict[str, Any] = llama.TINY | {"head_dim": 16, "tie_word_embeddings": True}


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``."""
    full_attention(keys)
    bias = keys.get("attention_bias", False)
    return llama_like(keys, qk_norm=True, qkv_bias=bias, out_bias=bias)


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    return llama_like_json(config, "qwen3", ARCHITECTURE) | {
        "attention_bias": config.qkv_bias,
        "use_sliding_window": False,
    }
