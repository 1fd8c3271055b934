"""BERT (Devlin et al. 2019, arXiv 1810.04805): norms after each sum, learned positions, segment embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from sibao.models._dropout import read_dropouts
from sibao.models._heads import architecture, labels_json, read_head
from sibao.models.base import Keys, Rename, rename
from sibao.nn.encoder_config import EncoderConfig

PREFIX = "Bert"
ARCHITECTURE = "BertForMaskedLM"
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "silu": "silu"}
DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")
TINY: dict[str, Any] = {
    "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 64,
}  # fmt: skip


def _body(prefix: str) -> tuple[Rename, ...]:
    """Everything below the head; BERT's first files call a norm's weight and bias gamma and beta."""
    layer, own = f"{prefix}encoder.layer.{{i}}.", "layers.{i}."
    parts = {
        f"{layer}attention.self.query": f"{own}self_attn.q_proj",
        f"{layer}attention.self.key": f"{own}self_attn.k_proj",
        f"{layer}attention.self.value": f"{own}self_attn.v_proj",
        f"{layer}attention.output.dense": f"{own}self_attn.o_proj",
        f"{layer}attention.output.LayerNorm": f"{own}attn_norm",
        f"{layer}intermediate.dense": f"{own}mlp.up_proj",
        f"{layer}output.dense": f"{own}mlp.down_proj",
        f"{layer}output.LayerNorm": f"{own}mlp_norm",
        f"{prefix}embeddings.LayerNorm": "embed_norm",
        f"{prefix}pooler.dense": "pooler.dense",
    }
    tables = {"word": "tokens", "position": "positions", "token_type": "types"}
    return (
        *(rename(f"{prefix}embeddings.{k}_embeddings.weight", f"embed_{v}.weight") for k, v in tables.items()),
        *(rename(f"{k}.{w}", f"{v}.{w}") for k, v in parts.items() for w in ("weight", "bias")),
        *_old_norms({k: v for k, v in parts.items() if k.endswith("LayerNorm")}),
    )


def _old_norms(norms: dict[str, str]) -> tuple[Rename, ...]:
    old = {"gamma": "weight", "beta": "bias"}
    return tuple(rename(f"{k}.{o}", f"{v}.{w}", alias=True) for k, v in norms.items() for o, w in old.items())


_TRANSFORM = {"cls.predictions.transform.dense": "transform.dense",
              "cls.predictions.transform.LayerNorm": "transform.norm"}  # fmt: skip
_MASKED = (
    *(rename(f"{k}.{w}", f"{v}.{w}") for k, v in _TRANSFORM.items() for w in ("weight", "bias")),
    *_old_norms({"cls.predictions.transform.LayerNorm": "transform.norm"}),
    rename("cls.predictions.decoder.weight", "output.weight"),
)
RENAMES = (*_body("bert."), *_MASKED, rename("cls.predictions.bias", "output.bias"))


def renames(config: EncoderConfig) -> tuple[Rename, ...]:
    """Tensor names by head. What published files hold of other heads (the next-sentence head, an unused pooler) is left
    out; a bare model's names have no prefix."""
    out = {"classify": "classifier", "token": "classifier", "span": "qa_outputs"}
    body = _body("" if config.head == "none" else "bert.")
    spare = [rename(f"cls.seq_relationship.{w}", alias=True) for w in ("weight", "bias")]
    if not config.pooler:
        body = tuple(rename(r.checkpoint, alias=True) if "pooler" in r.checkpoint else r for r in body)
    if config.head == "masked":
        used, other = "cls.predictions.bias", "cls.predictions.decoder.bias"
        if not config.tie_word_embeddings:
            used, other = other, used
        biases = (rename(used, "output.bias"), rename(other, alias=True))
        return (*body, *_MASKED, *biases, *spare)
    if config.head in out:
        return (*body, *(rename(f"{out[config.head]}.{w}", f"output.{w}") for w in ("weight", "bias")))
    return body


def read(keys: Keys) -> EncoderConfig:
    """Translate ``config.json``; ``architectures`` says which head the folder has."""
    activation = ACTIVATIONS[keys.expect("hidden_act", tuple(ACTIVATIONS), "gelu")]
    keys.expect("position_embedding_type", ("absolute",), "absolute")
    keys.expect("is_decoder", (False,), False)
    keys.expect("add_cross_attention", (False,), False)
    head = read_head(keys, PREFIX)
    config = EncoderConfig(
        vocab_size=keys.get("vocab_size"), hidden_size=keys.get("hidden_size"),
        num_hidden_layers=keys.get("num_hidden_layers"), num_attention_heads=keys.get("num_attention_heads"),
        intermediate_size=keys.get("intermediate_size"), max_position_embeddings=keys.get("max_position_embeddings", 512),
        token_types=keys.get("type_vocab_size", 2), norm_eps=keys.get("layer_norm_eps", 1e-12),
        activation=activation, transform_activation=activation,  # type: ignore[arg-type]
        tie_word_embeddings=keys.get("tie_word_embeddings", True),
        initializer_range=keys.get("initializer_range", 0.02), dropouts=read_dropouts(keys, *DROPOUTS), **head,
    )  # fmt: skip
    return with_head(config)


def with_head(config: EncoderConfig) -> EncoderConfig:
    """The parts that come with the head: only the vocabulary's has a transform, only labels of texts (and a bare model)
    a pooler. A masked model may hold one that it does not use (see ``settle``)."""
    pooler = config.head in ("none", "classify") or (config.head == "masked" and config.pooler)
    return replace(config, transform=config.head == "masked", pooler=pooler)


def settle(config: EncoderConfig, tensors: Mapping[str, Tensor]) -> EncoderConfig:
    """Published masked models hold the pooler that pretraining gave them: it is kept, because a head for labels begins
    with it."""
    held = any(name.endswith("pooler.dense.weight") for name in tensors)
    return replace(config, pooler=True) if held and config.head == "masked" else config


def write(config: EncoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    names = {value: key for key, value in reversed(ACTIVATIONS.items())}
    return {
        "architectures": [architecture(PREFIX, config.head)], "model_type": "bert", "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size, "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads, "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_position_embeddings, "type_vocab_size": config.token_types,
        "layer_norm_eps": config.norm_eps, "hidden_act": names[config.activation],
        "tie_word_embeddings": config.tie_word_embeddings, "initializer_range": config.initializer_range,
        **dict(config.dropouts), **labels_json(config),
    }  # fmt: skip
