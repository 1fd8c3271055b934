"""Qwen3 with mixtures of experts (arXiv 2505.09388)."""

from __future__ import annotations

from typing import Any

from sibao.models import llama
from sibao.models._llama_like import LLAMA_RENAMES, llama_like, llama_like_json
from sibao.models.base import Keys, rename
from sibao.nn.config import DecoderConfig, Experts

ARCHITECTURE = "Qwen3MoeForCausalLM"
RENAMES = (
    *LLAMA_RENAMES,
    rename("model.layers.{i}.mlp.gate.weight", "layers.{i}.mlp.gate.weight"),
    *(
        rename(
            f"model.layers.{{i}}.mlp.experts.{{e}}.{n}_proj.weight", f"layers.{{i}}.mlp.experts.{{e}}.{n}_proj.weight"
        )
        for n in ("gate", "up", "down")
    ),
)
TINY: dict[str, Any] = llama.TINY | {
    "num_hidden_layers": 3, "head_dim": 16, "num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
    "norm_topk_prob": True, "mlp_only_layers": [1],
}  # fmt: skip


def router_training(keys: Keys) -> None:
    """Read the keys that say how a router is trained; nothing at inference depends on them, and the loss that balances
    experts in pretraining is not part of training here."""
    keys.get("router_aux_loss_coef", None)
    keys.get("output_router_logits", None)


def _experts(keys: Keys) -> Experts:
    step, plain = keys.get("decoder_sparse_step", 1), keys.get("mlp_only_layers", [])
    return Experts(
        count=keys.get("num_experts", keys.get("num_local_experts", 128)),
        per_token=keys.get("num_experts_per_tok", 8),
        intermediate_size=keys.get("moe_intermediate_size", 768),
        layers=tuple(i for i in range(keys.get("num_hidden_layers")) if i not in plain and (i + 1) % step == 0),
        normalized=keys.get("norm_topk_prob", False),
    )


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``. A window holds in all layers: Transformers does not read ``max_window_layers`` here."""
    router_training(keys)
    keys.get("max_window_layers", None)
    bias = keys.get("attention_bias", False)
    window = keys.optional("sliding_window", 4096)
    return llama_like(
        keys,
        qk_norm=True,
        qkv_bias=bias,
        out_bias=bias,
        experts=_experts(keys),
        sliding_window=window if keys.get("use_sliding_window", False) else None,
    )


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    experts = config.experts
    if experts is None:
        raise ValueError("a model without experts is not of this family")
    return llama_like_json(config, "qwen3_moe", ARCHITECTURE) | {
        "attention_bias": config.qkv_bias,
        "use_sliding_window": config.sliding_window is not None,
        "sliding_window": config.sliding_window,
        "num_experts": experts.count,
        "num_experts_per_tok": experts.per_token,
        "moe_intermediate_size": experts.intermediate_size,
        "norm_topk_prob": experts.normalized,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [i for i in range(config.num_hidden_layers) if i not in experts.layers],
    }
