"""Mixtral (arXiv 2401.04088): Mistral with a mixture of experts in every layer."""

from __future__ import annotations

from typing import Any

from sibao.models import llama
from sibao.models._llama_like import LLAMA_RENAMES, llama_like, llama_like_json
from sibao.models._rotary import rope
from sibao.models.base import Keys, rename
from sibao.models.qwen3_moe import router_training
from sibao.nn.config import DecoderConfig, Experts

ARCHITECTURE = "MixtralForCausalLM"
_MIXTURE = "layers.{i}.block_sparse_moe"
RENAMES = (
    *LLAMA_RENAMES,
    rename(f"model.{_MIXTURE}.gate.weight", "layers.{i}.mlp.gate.weight"),
    *(
        rename(f"model.{_MIXTURE}.experts.{{e}}.{theirs}.weight", f"layers.{{i}}.mlp.experts.{{e}}.{ours}_proj.weight")
        for theirs, ours in (("w1", "gate"), ("w3", "up"), ("w2", "down"))
    ),
)
TINY: dict[str, Any] = llama.TINY | {"num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 40}


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``."""
    router_training(keys)
    keys.get("router_jitter_noise", None)
    size = keys.get("intermediate_size")
    layers = tuple(range(keys.get("num_hidden_layers")))
    experts = Experts(keys.get("num_local_experts", 8), keys.get("num_experts_per_tok", 2), size, layers)
    window, eps = keys.get("sliding_window", None), keys.get("rms_norm_eps", 1e-5)
    return llama_like(keys, experts=experts, sliding_window=window, norm_eps=eps, **rope(keys, 1_000_000.0))


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    experts = config.experts
    if experts is None:
        raise ValueError("a model without experts is not of this family")
    return llama_like_json(config, "mixtral", ARCHITECTURE) | {
        "sliding_window": config.sliding_window,
        "num_local_experts": experts.count,
        "num_experts_per_tok": experts.per_token,
    }
