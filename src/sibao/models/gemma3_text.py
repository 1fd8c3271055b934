"""Gemma 3 without its eyes (arXiv 2503.19786): five layers with a window and a rotary base of their own to one without;
norms on queries and keys in place of Gemma 2's soft-capping."""

from __future__ import annotations

from typing import Any

from sibao.core.errors import ModelError, UnsupportedModel
from sibao.models import gemma2
from sibao.models._llama_like import FULL, SLIDING, windows
from sibao.models._rotary import rope_fields, scaling_json
from sibao.models.base import Keys
from sibao.models.gemma2 import gemma_like, gemma_like_json
from sibao.nn.config import DecoderConfig

ARCHITECTURE = "Gemma3ForCausalLM"
RENAMES = gemma2.RENAMES
TINY: dict[str, Any] = {k: v for k, v in gemma2.TINY.items() if not k.endswith("softcapping")} | {
    "rope_parameters": {
        SLIDING: {"rope_type": "default", "rope_theta": 100.0},
        FULL: {"rope_type": "default", "rope_theta": 5000.0},
    },
    "layer_types": [SLIDING, FULL, SLIDING],
}


def _bases(keys: Keys) -> dict[str, Any]:
    """Rotary positions of both kinds of layers, from either spelling."""
    both = keys.get("rope_parameters", {})
    if not isinstance(both, dict) or not both.keys() <= {SLIDING, FULL}:
        raise ModelError(f"config.json has rope_parameters = {both!r}; wanted an object with {FULL} and {SLIDING}")
    old_full, old_local = keys.get("rope_theta", 1_000_000.0), keys.get("rope_local_base_freq", 10_000.0)
    full = {**(both.get(FULL) or {}), **keys.get("rope_scaling", {})}
    local = rope_fields(keys, both.get(SLIDING) or {}, old_local)
    if local["rope_scaling"] is not None:
        raise UnsupportedModel("config.json asks for rope scaling in the layers with a window; supported: 'default'")
    return rope_fields(keys, full, old_full) | {"local_rope_theta": local["rope_theta"]}


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``. ``sliding_window_pattern`` n: every n-th layer has no window."""
    pattern = keys.get("sliding_window_pattern", keys.get("_sliding_window_pattern", 6))
    most = [bool((i + 1) % pattern) for i in range(keys.get("num_hidden_layers"))]
    keys.expect("attn_logit_softcapping", (None,), None)  # Transformers reads it and computes without it
    return gemma_like(
        keys,
        qk_norm=True,
        logit_softcap=keys.get("final_logit_softcapping", None),
        **windows(keys, keys.optional("sliding_window", 4096), most),
        **_bases(keys),
    )


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    local = config.local_rope_theta
    both = {
        FULL: {"rope_theta": config.rope_theta, **scaling_json(config.rope_scaling)},
        SLIDING: {"rope_theta": local, "rope_type": "default"},
    }
    shared = gemma_like_json(config, "gemma3_text", ARCHITECTURE)
    return shared | {"rope_parameters": both, "rope_local_base_freq": local}
