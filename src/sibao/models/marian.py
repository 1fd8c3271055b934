"""Marian translators (OPUS-MT, arXiv 1804.00344): the Transformer of 2017 with norms after each part, sines for
positions, one set of embeddings for both sides and the vocabulary, and a bias on its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from sibao.core.errors import UnsupportedModel
from sibao.models._seq2seq import token_ids, token_json
from sibao.models.base import Keys, Rename, rename
from sibao.nn.seq2seq_config import Seq2SeqConfig

ARCHITECTURE = "MarianMTModel"
ACTIVATIONS = {"swish": "silu", "silu": "silu", "relu": "relu", "gelu": "gelu", "gelu_new": "gelu_tanh"}


def _both(checkpoint: str, ours: str) -> tuple[Rename, ...]:
    return tuple(rename(f"{checkpoint}.{leaf}", f"{ours}.{leaf}") for leaf in ("weight", "bias"))


def _side(side: str) -> tuple[Rename, ...]:
    theirs, ours = f"model.{side}.layers.{{i}}", f"{side}.layers.{{i}}"
    parts = [("self_attn", "self_attn")] + ([("encoder_attn", "cross_attn")] if side == "decoder" else [])
    return (
        rename(f"model.{side}.embed_tokens.weight", f"{side}.embed_tokens.weight"),
        rename(f"model.{side}.embed_positions.weight", alias=True),  # sines, which old files hold too
        *(
            rule
            for name, own in parts
            for rule in (
                *_both(f"{theirs}.{name}.out_proj", f"{ours}.{own}.o_proj"),
                *(r for p in "qkv" for r in _both(f"{theirs}.{name}.{p}_proj", f"{ours}.{own}.{p}_proj")),
                *_both(f"{theirs}.{name}_layer_norm", f"{ours}.{own}_norm"),
            )
        ),
        *_both(f"{theirs}.fc1", f"{ours}.mlp.up_proj"),
        *_both(f"{theirs}.fc2", f"{ours}.mlp.down_proj"),
        *_both(f"{theirs}.final_layer_norm", f"{ours}.mlp_norm"),
    )


RENAMES = (
    rename("model.shared.weight", "shared.weight"),
    rename("lm_head.weight", "lm_head.weight"),
    rename("final_logits_bias", "final_logits_bias"),
    *_side("encoder"),
    *_side("decoder"),
)
TINY: dict[str, Any] = {
    "vocab_size": 97, "d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 40, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_position_embeddings": 64,
    "pad_token_id": 96, "eos_token_id": 0, "decoder_start_token_id": 96, "scale_embedding": True,
    "activation_function": "swish",
}  # fmt: skip
_FIXED = {
    "normalize_before": False, "normalize_embedding": False, "add_final_layer_norm": False, "add_bias_logits": False,
    "static_position_embeddings": True, "extra_pos_embeddings": 0,
}  # fmt: skip
"""Keys of old files of which only one value is in use."""
_TRAINING = (
    "activation_dropout", "classif_dropout", "classifier_dropout", "encoder_layerdrop", "decoder_layerdrop",
    "num_hidden_layers", "_num_labels", "force_bos_token_to_be_generated",
)  # fmt: skip


def read(keys: Keys) -> Seq2SeqConfig:
    """Translate ``config.json``."""
    for name, only in _FIXED.items():
        keys.expect(name, (only,), only)
    keys.used.update(_TRAINING)
    width, heads = keys.get("d_model"), keys.get("decoder_attention_heads")
    if keys.get("encoder_attention_heads") != heads or width % heads:
        raise UnsupportedModel(f"config.json: {width} dimensions and {heads} heads do not fit each other on both sides")
    shared, tied = keys.get("share_encoder_decoder_embeddings", True), keys.get("tie_word_embeddings", True)
    if shared and not tied:
        raise UnsupportedModel("config.json shares embeddings without tying them to the vocabulary: not implemented")
    activation = ACTIVATIONS[keys.expect("activation_function", tuple(ACTIVATIONS), "gelu")]
    return Seq2SeqConfig(
        vocab_size=keys.get("vocab_size"), decoder_vocab_size=keys.get("decoder_vocab_size", keys.get("vocab_size")),
        hidden_size=width, encoder_layers=keys.get("encoder_layers"), decoder_layers=keys.get("decoder_layers"),
        encoder_heads=heads, decoder_heads=heads, head_dim=width // heads, encoder_ffn=keys.get("encoder_ffn_dim"),
        decoder_ffn=keys.get("decoder_ffn_dim"), max_position_embeddings=keys.get("max_position_embeddings"),
        norm="layer", norm_eps=1e-5, pre_norm=False, activation=activation, positions="sine",  # type: ignore[arg-type]
        scale_attention=True, scale_embedding=keys.get("scale_embedding", False), bias=True, logits_bias=True,
        share_embeddings=shared, tie_word_embeddings=tied, dropout=keys.get("dropout", 0.1),
        init_std=keys.get("init_std", 0.02), **token_ids(keys, None, 0),  # type: ignore[arg-type]
    )  # fmt: skip


def settle(config: Seq2SeqConfig, tensors: Mapping[str, Tensor]) -> Seq2SeqConfig:
    """A file without the bias on scores has none."""
    return replace(config, logits_bias="final_logits_bias" in tensors)


def write(config: Seq2SeqConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    activation = {"silu": "swish", "gelu_tanh": "gelu_new"}.get(config.activation, config.activation)
    return {
        "architectures": [ARCHITECTURE], "model_type": "marian", "vocab_size": config.vocab_size,
        "decoder_vocab_size": config.decoder_vocab_size, "d_model": config.hidden_size,
        "encoder_layers": config.encoder_layers, "decoder_layers": config.decoder_layers,
        "encoder_attention_heads": config.encoder_heads, "decoder_attention_heads": config.decoder_heads,
        "encoder_ffn_dim": config.encoder_ffn, "decoder_ffn_dim": config.decoder_ffn,
        "max_position_embeddings": config.max_position_embeddings, "scale_embedding": config.scale_embedding,
        "activation_function": activation, "dropout": config.dropout, "init_std": config.init_std,
        "share_encoder_decoder_embeddings": config.share_embeddings,
        "tie_word_embeddings": config.tie_word_embeddings, "forced_eos_token_id": config.eos_token_id,
        "static_position_embeddings": True, **token_json(config),
    }  # fmt: skip
