"""ModernBERT (Warner et al. 2024, arXiv 2412.13663): norms first, rotary positions with two bases, windows in most layers,
GeGLU, no biases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sibao.core.errors import UnsupportedModel
from sibao.models._dropout import read_dropouts
from sibao.models._heads import architecture, labels_json, read_head
from sibao.models.base import Keys, Rename, rename
from sibao.nn.encoder_config import EncoderConfig

PREFIX = "ModernBert"
ARCHITECTURE = "ModernBertForMaskedLM"
ACTIVATIONS = {"gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh", "silu": "silu"}
LAYERS = {"full_attention": False, "sliding_attention": True}
TINY: dict[str, Any] = {
    "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 24,
    "max_position_embeddings": 64, "local_attention": 8, "global_attn_every_n_layers": 2, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2,
}  # fmt: skip
DROPOUTS = ("attention_dropout", "embedding_dropout", "mlp_dropout", "classifier_dropout")
_NEUTRAL = (
    "cls_token_id", "sep_token_id", "deterministic_flash_attn",
    "sparse_prediction", "sparse_pred_ignore_index", "reference_compile", "repad_logits_with_grad", "position_embedding_type",
    "initializer_cutoff_factor", "layer_norm_eps",
)  # fmt: skip
"""Keys of training, speed and defaults of other families, which say nothing about what is computed."""


def _body(prefix: str) -> tuple[Rename, ...]:
    """Everything below the head. ``Wqkv`` and ``Wi`` hold several matrices."""
    layer, own = f"{prefix}layers.{{i}}.", "layers.{i}."
    rules = [rename(f"{prefix}embeddings.tok_embeddings.weight", "embed_tokens.weight")]
    for w in ("weight", "bias"):
        rules += [
            rename(f"{prefix}embeddings.norm.{w}", f"embed_norm.{w}"),
            rename(f"{layer}attn_norm.{w}", f"{own}attn_norm.{w}"),
            rename(f"{layer}attn.Wqkv.{w}", *(f"{own}self_attn.{p}_proj.{w}" for p in "qkv")),
            rename(f"{layer}attn.Wo.{w}", f"{own}self_attn.o_proj.{w}"),
            rename(f"{layer}mlp_norm.{w}", f"{own}mlp_norm.{w}"),
            rename(f"{layer}mlp.Wi.{w}", f"{own}mlp.gate_proj.{w}", f"{own}mlp.up_proj.{w}"),
            rename(f"{layer}mlp.Wo.{w}", f"{own}mlp.down_proj.{w}"),
            rename(f"{prefix}final_norm.{w}", f"final_norm.{w}"),
        ]
    return tuple(rules)


def _top(output: str) -> tuple[Rename, ...]:
    """The transform and what follows it."""
    names = {"head.dense": "transform.dense", "head.norm": "transform.norm", output: "output"}
    return tuple(rename(f"{k}.{w}", f"{v}.{w}") for k, v in names.items() for w in ("weight", "bias"))


RENAMES = (*_body("model."), *_top("decoder"))


def renames(config: EncoderConfig) -> tuple[Rename, ...]:
    """Tensor names by head; a bare model's names have no prefix."""
    if config.head == "none":
        return _body("")
    return (*_body("model."), *_top("decoder" if config.head == "masked" else "classifier"))


def read(keys: Keys) -> EncoderConfig:
    """Translate ``config.json``; ``architectures`` says which head the folder has."""
    for name in _NEUTRAL:
        keys.get(name, None)
    layers = keys.get("num_hidden_layers")
    windowed = _windowed(keys, layers)
    wide, near = _thetas(keys)
    config = EncoderConfig(
        vocab_size=keys.get("vocab_size"), hidden_size=keys.get("hidden_size"), num_hidden_layers=layers,
        num_attention_heads=keys.get("num_attention_heads"), intermediate_size=keys.get("intermediate_size"),
        max_position_embeddings=keys.get("max_position_embeddings", 8192), norm_first=True,
        norm_eps=keys.get("norm_eps", 1e-5), norm_bias=keys.get("norm_bias", False), gated_mlp=True,
        activation=_activation(keys, "hidden_activation"), positions="rope", rope_theta=wide, local_rope_theta=near,
        window=keys.get("local_attention", 128) // 2, windowed=windowed, token_types=0,
        attention_bias=keys.get("attention_bias", False), mlp_bias=keys.get("mlp_bias", False),
        transform_bias=keys.get("classifier_bias", False),
        transform_activation=_activation(keys, "classifier_activation"),
        output_bias=keys.get("decoder_bias", True), pooling=keys.expect("classifier_pooling", ("cls", "mean"), "cls"),
        tie_word_embeddings=keys.get("tie_word_embeddings", True),
        initializer_range=keys.get("initializer_range", 0.02), dropouts=read_dropouts(keys, *DROPOUTS),
        **read_head(keys, PREFIX),
    )  # fmt: skip
    return with_head(config)


def with_head(config: EncoderConfig) -> EncoderConfig:
    """The parts that come with the head: label heads always have a bias."""
    return config if config.head in ("masked", "none") else replace(config, output_bias=True)


def _activation(keys: Keys, name: str) -> Any:
    return ACTIVATIONS[keys.expect(name, tuple(ACTIVATIONS), "gelu")]


def _windowed(keys: Keys, layers: int) -> tuple[bool, ...]:
    """Which layers have the window: ``layer_types``, or all but every n-th."""
    every, given = keys.get("global_attn_every_n_layers", 3), keys.get("layer_types", None)
    if given is None:
        return tuple(bool(i % every) for i in range(layers))
    if not isinstance(given, list) or any(kind not in LAYERS for kind in given):
        raise UnsupportedModel(f"config.json has layer_types = {given!r}; supported: {', '.join(LAYERS)}")
    return tuple(LAYERS[kind] for kind in given)


def _thetas(keys: Keys) -> tuple[float, float]:
    """Rotary bases of the layers without and with a window, in either spelling; scaling is refused."""
    bare = keys.get("global_rope_theta", 160000.0), keys.get("local_rope_theta", 10000.0)
    keys.expect("rope_scaling", (None,), None)
    given = keys.get("rope_parameters", None) or {}
    found = []
    for kind, default in zip(LAYERS, bare, strict=True):
        part = given.get(kind) or {} if isinstance(given, Mapping) else given
        odd = not isinstance(part, Mapping) or part.keys() - {"rope_theta", "rope_type"}
        if odd or part.get("rope_type", "default") != "default":
            raise UnsupportedModel(
                f"config.json has rope_parameters = {given!r}; supported: a rope_theta for each of {', '.join(LAYERS)}",
                hint="positions would be wrong without the rest",
            )
        found.append(float(part.get("rope_theta") or default))
    return found[0], found[1]


def write(config: EncoderConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family, in the keys of Transformers 5."""
    activations = {value: key for key, value in ACTIVATIONS.items()}
    kinds = {value: key for key, value in LAYERS.items()}
    thetas = zip(LAYERS, (config.rope_theta, config.local_rope_theta), strict=True)
    return {
        "architectures": [architecture(PREFIX, config.head)], "model_type": "modernbert",
        "vocab_size": config.vocab_size, "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_hidden_layers, "num_attention_heads": config.num_attention_heads,
        "intermediate_size": config.intermediate_size, "max_position_embeddings": config.max_position_embeddings,
        "norm_eps": config.norm_eps, "norm_bias": config.norm_bias, "hidden_activation": activations[config.activation],
        "rope_parameters": {kind: {"rope_theta": theta, "rope_type": "default"} for kind, theta in thetas},
        "local_attention": 2 * config.window, "layer_types": [kinds[w] for w in config.windowed],
        "attention_bias": config.attention_bias, "mlp_bias": config.mlp_bias, "classifier_bias": config.transform_bias,
        "classifier_activation": activations[config.transform_activation], "classifier_pooling": config.pooling,
        "decoder_bias": config.output_bias, "tie_word_embeddings": config.tie_word_embeddings,
        "initializer_range": config.initializer_range, **dict(config.dropouts), **labels_json(config),
    }  # fmt: skip
