"""Phi-3 and Phi-4-mini (arXiv 2404.14219; 2503.01743): Llama with joined projections and, in part of them, a rotation
of only some dims and LongRoPE."""

from __future__ import annotations

from typing import Any

from sibao.models import llama
from sibao.models._llama_like import EMBEDDING_RENAMES, llama_like, llama_like_json
from sibao.models._rotary import ORIGINAL, rope_fields
from sibao.models.base import Keys, rename
from sibao.nn.config import DecoderConfig

ARCHITECTURE = "Phi3ForCausalLM"
RENAMES = (
    *EMBEDDING_RENAMES,
    rename("model.layers.{i}.self_attn.qkv_proj.weight", *(f"layers.{{i}}.self_attn.{p}_proj.weight" for p in "qkv")),
    rename("model.layers.{i}.mlp.gate_up_proj.weight", *(f"layers.{{i}}.mlp.{p}_proj.weight" for p in ("gate", "up"))),
    *(
        rename(f"model.layers.{{i}}.{n}.weight", f"layers.{{i}}.{n}.weight")
        for n in ("input_layernorm", "post_attention_layernorm", "self_attn.o_proj", "mlp.down_proj")
    ),
)
TINY: dict[str, Any] = llama.TINY | {
    "hidden_size": 64, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.75},
    "pad_token_id": 0,
}  # fmt: skip
_OLD_KINDS = {"su": "longrope", "yarn": "longrope"}
"""What the first files of the family called LongRoPE."""


def read(keys: Keys) -> DecoderConfig:
    """Translate ``config.json``."""
    for key in ("attention_bias", "mlp_bias", "lm_head_bias"):
        keys.expect(key, (False,), False)
    for key in ("full_attn_mod", "interpolate_factor"):
        keys.expect(key, (1,), 1)
    parameters = dict(keys.get("rope_scaling", None) or keys.get("rope_parameters", {}))
    keys.used.add("rope_parameters")
    part = parameters.pop("partial_rotary_factor", None)
    part = keys.get("partial_rotary_factor", 1.0) if part is None else part
    keys.used.add("partial_rotary_factor")
    keys.used.add(
        ORIGINAL
    )  # the family's own length counts even when the file is silent; without scaling, nothing hangs on it
    with_length = Keys({ORIGINAL: 4096} | dict(keys.data), keys.used)
    return llama_like(
        keys,
        norm_eps=keys.get("rms_norm_eps", 1e-5),
        sliding_window=keys.get("sliding_window", None),
        partial_rotary_factor=part,
        **rope_fields(with_length, parameters, keys.get("rope_theta", 10000.0), _OLD_KINDS),
    )


def write(config: DecoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    out = llama_like_json(config, "phi3", ARCHITECTURE)
    part = {"partial_rotary_factor": config.partial_rotary_factor}
    # Transformers puts 32000 for a padding token that the file does not name, and fails in a smaller vocabulary
    pad: dict[str, Any] = {} if config.vocab_size > 32000 else {"pad_token_id": None}
    rope = {"sliding_window": config.sliding_window, "rope_parameters": out["rope_parameters"] | part}
    return out | rope | part | pad
