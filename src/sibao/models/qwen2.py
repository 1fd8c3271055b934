"""Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama with biases on queries, keys and values."""

from __future__ import annotations

from typing import Any

from sibao.core.errors import ModelError
from sibao.models import llama
from sibao.models.base import LLAMA_RENAMES, Keys, llama_like, llama_like_json
from sibao.nn.config import DecoderConfig

ARCHITECTURE = "Qwen2ForCausalLM"
RENAMES = LLAMA_RENAMES
TINY: dict[str, Any] = llama.TINY | {"tie_word_embeddings": True}


def full_attention(keys: Keys) -> None:
    """Read the window keys of the Qwen families, of which only 'no window' is in use and supported."""
    keys.get("max_window_layers", None)
    keys.get("sliding_window", None)
    windowed = keys.get("use_sliding_window", False)
    kinds = set(keys.get("layer_types", ["full_attention"]))
    if windowed or kinds != {"full_attention"}:
        raise ModelError("config.json asks for sliding windows in some layers; supported: full attention in all")


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``."""
    full_attention(keys)
    return llama_like(keys, qkv_bias=True)


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    return llama_like_json(config, "qwen2", ARCHITECTURE) | {"use_sliding_window": False}
