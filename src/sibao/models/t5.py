"""T5 (arXiv 1910.10683): relative positions, RMS norms before each part, no biases, attention that is not scaled.

v1.0 has ReLU and one matrix for both embeddings and the vocabulary, its output divided by √D; v1.1 has a gated GELU and
a vocabulary matrix of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sibao.models._seq2seq import token_ids, token_json
from sibao.models.base import Keys, Rename, rename
from sibao.nn.seq2seq_config import Seq2SeqConfig

ARCHITECTURE = "T5ForConditionalGeneration"
ACTIVATIONS = {
    "relu": ("relu", False, "relu"), "gelu": ("gelu", False, "gelu"), "gated-gelu": ("gelu_tanh", True, "gelu_new"),
    "gated-silu": ("silu", True, "silu"),
}  # fmt: skip
"""``feed_forward_proj`` → activation, whether it is gated, and what Transformers calls it."""
GATED = (("wi_0", "gate"), ("wi_1", "up"), ("wo", "down"))
PLAIN = (("wi", "up"), ("wo", "down"))


def _attention(checkpoint: str, ours: str) -> tuple[Rename, ...]:
    return tuple(rename(f"{checkpoint}.{p}.weight", f"{ours}.{p}_proj.weight") for p in "qkvo")


def _side(side: str, matrices: tuple[tuple[str, str], ...]) -> tuple[Rename, ...]:
    block, layer = f"{side}.block.{{i}}.layer", f"{side}.layers.{{i}}"
    last, first = (1 if side == "encoder" else 2), f"{side}.block.0.layer"
    cross = (
        *_attention(f"{block}.1.EncDecAttention", f"{layer}.cross_attn"),
        rename(f"{block}.1.layer_norm.weight", f"{layer}.cross_attn_norm.weight"),
        rename(f"{first}.1.EncDecAttention.relative_attention_bias.weight", alias=True),  # in old files; never used
    )
    return (
        rename(f"{side}.embed_tokens.weight", f"{side}.embed_tokens.weight"),
        rename(f"{side}.final_layer_norm.weight", f"{side}.norm.weight"),
        rename(f"{first}.0.SelfAttention.relative_attention_bias.weight", f"{side}.relative_bias.table.weight"),
        *_attention(f"{block}.0.SelfAttention", f"{layer}.self_attn"),
        rename(f"{block}.0.layer_norm.weight", f"{layer}.self_attn_norm.weight"),
        *(cross if side == "decoder" else ()),
        *(rename(f"{block}.{last}.DenseReluDense.{t}.weight", f"{layer}.mlp.{n}_proj.weight") for t, n in matrices),
        rename(f"{block}.{last}.layer_norm.weight", f"{layer}.mlp_norm.weight"),
    )


def _names(matrices: tuple[tuple[str, str], ...]) -> tuple[Rename, ...]:
    outer = (rename("shared.weight", "shared.weight"), rename("lm_head.weight", "lm_head.weight"))
    return (*outer, *_side("encoder", matrices), *_side("decoder", matrices))


RENAMES = _names(PLAIN)
_GATED_RENAMES = _names(GATED)
TINY: dict[str, Any] = {
    "vocab_size": 97, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4,
    "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20, "decoder_start_token_id": 0,
}  # fmt: skip


def renames(config: Seq2SeqConfig) -> tuple[Rename, ...]:
    """The tensor names, which differ with the feed-forward."""
    return _GATED_RENAMES if config.gated_mlp else RENAMES


def read(keys: Keys) -> Seq2SeqConfig:
    """Translate ``config.json``. T5 itself has no longest text; ``n_positions`` says what it was trained on."""
    kind = keys.expect("feed_forward_proj", tuple(ACTIVATIONS), "relu")
    activation, gated, theirs = ACTIVATIONS[kind]
    keys.expect("dense_act_fn", (theirs,), theirs)
    keys.expect("is_gated_act", (gated,), gated)
    for name in ("classifier_dropout", "initializer_factor"):
        keys.get(name, None)
    tied = keys.get("tie_word_embeddings", True)
    layers, heads, width = keys.get("num_layers"), keys.get("num_heads"), keys.get("d_ff")
    return Seq2SeqConfig(
        vocab_size=keys.get("vocab_size"), decoder_vocab_size=keys.get("vocab_size"), hidden_size=keys.get("d_model"),
        encoder_layers=layers, decoder_layers=keys.get("num_decoder_layers", layers), encoder_heads=heads,
        decoder_heads=heads, head_dim=keys.get("d_kv", 64), encoder_ffn=width, decoder_ffn=width,
        max_position_embeddings=keys.get("n_positions", 512), norm_eps=keys.get("layer_norm_epsilon", 1e-6),
        activation=activation, gated_mlp=gated,  # type: ignore[arg-type]
        buckets=keys.get("relative_attention_num_buckets", 32),
        longest_distance=keys.get("relative_attention_max_distance", 128),
        scale_output=keys.get("scale_decoder_outputs", tied), tie_word_embeddings=tied,
        dropout=keys.get("dropout_rate", 0.1), **token_ids(keys, 0, 1),  # type: ignore[arg-type]
    )  # fmt: skip


def settle(config: Seq2SeqConfig, tensors: Mapping[str, Tensor]) -> Seq2SeqConfig:
    """Transformers 5 writes "tied" into every config and keeps a vocabulary matrix of its own in the file all the same:
    the file decides."""
    head, shared = tensors.get("lm_head.weight"), tensors.get("shared.weight")
    if not config.tie_word_embeddings or head is None or shared is None:
        return config
    return config if torch.equal(head, shared) else replace(config, tie_word_embeddings=False)


def write(config: Seq2SeqConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    own = (config.activation, config.gated_mlp)
    return {
        "architectures": [ARCHITECTURE], "model_type": "t5", "vocab_size": config.vocab_size,
        "d_model": config.hidden_size, "d_kv": config.head_dim, "d_ff": config.encoder_ffn,
        "num_layers": config.encoder_layers, "num_decoder_layers": config.decoder_layers,
        "num_heads": config.encoder_heads, "n_positions": config.max_position_embeddings,
        "relative_attention_num_buckets": config.buckets, "relative_attention_max_distance": config.longest_distance,
        "layer_norm_epsilon": config.norm_eps, "dropout_rate": config.dropout,
        "feed_forward_proj": next(kind for kind, (*found, _) in ACTIVATIONS.items() if tuple(found) == own),
        "tie_word_embeddings": config.tie_word_embeddings, "scale_decoder_outputs": config.scale_output,
        **token_json(config),
    }  # fmt: skip
