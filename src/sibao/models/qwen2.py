"""Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama with biases on queries, keys and values."""

from __future__ import annotations

from typing import Any

from sibao.models import llama
from sibao.models._llama_like import LLAMA_RENAMES, SLIDING, layer_types, llama_like, llama_like_json, windows
from sibao.models.base import Keys
from sibao.nn.config import DecoderConfig

ARCHITECTURE = "Qwen2ForCausalLM"
RENAMES = LLAMA_RENAMES
TINY: dict[str, Any] = llama.TINY | {"tie_word_embeddings": True}


def late_windows(keys: Keys) -> dict[str, Any]:
    """The fields that say which layers have a window in the Qwen families: from layer ``max_window_layers`` on, unless
    ``layer_types`` names them."""
    size, first = keys.optional("sliding_window", 4096), keys.get("max_window_layers", 28)
    window = size if keys.get("use_sliding_window", False) else None
    return windows(keys, window, [window is not None and i >= first for i in range(keys.get("num_hidden_layers"))])


def late_windows_json(c: DecoderConfig) -> dict[str, Any]:
    """The keys that ``late_windows`` reads."""
    if c.sliding_window is None:
        return {"use_sliding_window": False}
    kinds = layer_types(c)
    first = kinds.index(SLIDING) if SLIDING in kinds else len(kinds)
    return {
        "use_sliding_window": True,
        "sliding_window": c.sliding_window,
        "max_window_layers": first,
        "layer_types": kinds,
    }


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``."""
    return llama_like(keys, qkv_bias=True, **late_windows(keys))


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    return llama_like_json(config, "qwen2", ARCHITECTURE) | late_windows_json(config)
