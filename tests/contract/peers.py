"""Transformers' own random decoders of every family, several shapes each, as folders; and what they compute."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor

from sibao.models.base import Keys
from sibao.models.folder import families, family_of
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder


def read_shape(name: str) -> Any:
    """The shape of a family's ``TINY``."""
    return family_of(name).read(Keys(family_of(name).TINY))


FAMILIES = [name for name in families() if isinstance(read_shape(name), DecoderConfig)]
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 30.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 3.0,
    "original_max_position_embeddings": 16,
}  # fmt: skip
YARN = {"rope_type": "yarn", "rope_theta": 30.0, "factor": 4.0, "original_max_position_embeddings": 16}
DEEPSEEK = YARN | {"mscale": 0.7, "mscale_all_dim": 1.4, "beta_fast": 4.0, "beta_slow": 0.5, "truncate": False}
LONG = {
    "rope_type": "longrope", "rope_theta": 50.0, "short_factor": [1.0, 1.1, 1.3, 1.6, 2.0, 2.5],
    "long_factor": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "partial_rotary_factor": 0.75,
}  # fmt: skip
SLIDING, FULL = "sliding_attention", "full_attention"
LINEAR = {
    SLIDING: {"rope_type": "default", "rope_theta": 40.0},
    FULL: {"rope_type": "linear", "rope_theta": 300.0, "factor": 4.0},
}
# Shapes beside each family's TINY: what a family can vary must be seen varying.
OTHERS: dict[str, list[dict[str, Any]]] = {
    "gpt2": [{"n_inner": 72}, {"activation_function": "gelu", "n_layer": 1, "tie_word_embeddings": False}],
    "llama": [
        {"num_key_value_heads": 4, "tie_word_embeddings": True, "rope_parameters": LLAMA3},
        {"attention_bias": True, "mlp_bias": True, "hidden_size": 48, "hidden_act": "gelu"},
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 200.0, "factor": 2.5}},
    ],
    "mistral": [{"sliding_window": None, "intermediate_size": 40}, {"num_key_value_heads": 1, "head_dim": 12}],
    "qwen2": [
        {"tie_word_embeddings": False, "num_key_value_heads": 1, "rope_parameters": YARN},
        {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1, "num_hidden_layers": 3},
    ],
    "qwen3": [
        {"attention_bias": True, "num_hidden_layers": 3, "tie_word_embeddings": False, "head_dim": 32},
        {"use_sliding_window": True, "sliding_window": 5, "layer_types": [SLIDING, FULL], "rope_parameters": DEEPSEEK},
    ],
    "gemma2": [
        {"num_key_value_heads": 4, "hidden_size": 48, "head_dim": 20, "attn_logit_softcapping": None},
        {"attention_bias": True, "layer_types": [FULL, SLIDING, SLIDING], "tie_word_embeddings": False,
         "final_logit_softcapping": None, "attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 7},
    ],
    "gemma3_text": [
        {"rope_parameters": LINEAR, "num_key_value_heads": 1, "hidden_size": 24, "final_logit_softcapping": 6.0},
        {"num_hidden_layers": 7, "layer_types": None, "rope_parameters": None, "tie_word_embeddings": False},
    ],
    "phi3": [
        {"rope_parameters": LONG, "original_max_position_embeddings": 48, "max_position_embeddings": 96},
        {"sliding_window": 7, "rope_parameters": None, "hidden_size": 40, "tie_word_embeddings": True},
    ],
    "qwen3_moe": [
        {"norm_topk_prob": False, "mlp_only_layers": [], "num_experts": 6, "num_experts_per_tok": 3},
        {"decoder_sparse_step": 2, "attention_bias": True, "use_sliding_window": True, "sliding_window": 9,
         "tie_word_embeddings": True, "num_experts_per_tok": 1},
    ],
    "mixtral": [
        {"sliding_window": 6, "num_local_experts": 12, "num_experts_per_tok": 3, "num_key_value_heads": 4},
        {"tie_word_embeddings": True, "head_dim": 12, "rms_norm_eps": 1e-3, "num_hidden_layers": 1},
    ],
}  # fmt: skip
SHAPES = [(name, number) for name in FAMILIES for number in range(1 + len(OTHERS.get(name, [])))]
IDS = [f"{name}-{number}" for name, number in SHAPES]


def peer_config(name: str, number: int) -> dict[str, Any]:
    """The keys of a shape; number 0 is ``TINY``."""
    keys = {**family_of(name).TINY, **(OTHERS[name][number - 1] if number else {})}
    return {k: v for k, v in keys.items() if v is not None or k in ("sliding_window", "attn_logit_softcapping",
                                                                   "final_logit_softcapping", "n_inner")}  # fmt: skip


@cache
def peer(name: str, number: int = 0) -> tuple[Any, Path]:
    """Transformers' own random model of a shape, and the folder it was saved in; neither may be changed.

    Weights, norms and biases are spread so that no term of the sum is idle.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(name, **peer_config(name, number))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(len(name))
    with torch.no_grad():
        for parameter in model.parameters():
            norm = parameter.dim() == 1 and bool((parameter == 1).all())  # some norms are kept as distance from 1
            parameter.normal_(float(norm), 0.25, generator=generator)
    folder = Path(mkdtemp(prefix=f"peer-{name}-{number}-", dir=_root()))
    model.save_pretrained(folder)
    return model, folder


@cache
def _root() -> str:
    import atexit
    import shutil

    root = mkdtemp(prefix="peers-")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root


def load_peer(folder: Path) -> Any:
    """A folder as Transformers reads it."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()


@torch.no_grad()
def peer_logits(model: Any, ids: Tensor, **inputs: Tensor) -> Tensor:
    """[B, T, V] by Transformers."""
    logits: Tensor = model(input_ids=ids, **inputs).logits
    return logits


@torch.no_grad()
def own_logits(model: Decoder, ids: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
    """[B, T, V] by Sibao, without a cache."""
    return model.logits(model(ids, positions, mask=mask))


def some_ids(rows: int = 3, length: int = 40, seed: int = 0) -> Tensor:
    """Random token ids [rows, length]."""
    return torch.randint(0, 97, (rows, length), generator=torch.Generator().manual_seed(seed))
