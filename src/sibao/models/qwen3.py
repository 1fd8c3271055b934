"""Qwen3 (arXiv 2505.09388): Llama with a norm on each query and key head; the architecture of ``mini``."""

from __future__ import annotations

from typing import Any

from sibao.models import llama
from sibao.models._llama_like import LLAMA_RENAMES, llama_like, llama_like_json
from sibao.models.base import Keys
from sibao.models.qwen2 import late_windows, late_windows_json
from sibao.nn.config import DecoderConfig

ARCHITECTURE = "Qwen3ForCausalLM"
RENAMES = LLAMA_RENAMES
TINY: dict[str, Any] = llama.TINY | {"head_dim": 16, "tie_word_embeddings": True}


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``."""
    bias = keys.get("attention_bias", False)
    size = keys.get("head_dim", 128)
    return llama_like(keys, qk_norm=True, qkv_bias=bias, out_bias=bias, head_dim=size, **late_windows(keys))


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    shared = llama_like_json(config, "qwen3", ARCHITECTURE)
    return shared | {"attention_bias": config.qkv_bias} | late_windows_json(config)
