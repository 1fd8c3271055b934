"""Mistral 7B (arXiv 2310.06825): Llama with a sliding attention window."""

from __future__ import annotations

from typing import Any

from sibao.models import llama
from sibao.models._llama_like import LLAMA_RENAMES, llama_like, llama_like_json
from sibao.models.base import Keys
from sibao.nn.config import DecoderConfig

ARCHITECTURE = "MistralForCausalLM"
RENAMES = LLAMA_RENAMES
TINY: dict[str, Any] = llama.TINY | {"sliding_window": 8}


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``; a null ``sliding_window`` means that all earlier positions are seen, a missing one
    the 4096 of Transformers' ``MistralConfig``."""
    return llama_like(keys, sliding_window=keys.optional("sliding_window", 4096))


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    return llama_like_json(config, "mistral", ARCHITECTURE) | {"sliding_window": config.sliding_window}
