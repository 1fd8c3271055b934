"""Keys of a ``config.json`` that nobody would compute with: Transformers keeps them and goes on without a word.

For a family that Sibao has, such a key is an error. Published files of other families hold many keys of the code they were
trained with: there it is an error where nothing in Transformers has a key of that name, unless the user asked for
Transformers by name; then, and for names that it has elsewhere, one line of warning says them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sibao.core.errors import ModelError
from sibao.models.base import NEUTRAL
from sibao.models.folder import is_family, refuse_depth, unread_keys
from sibao.models.weights import read_json

log = logging.getLogger("sibao.transformers")
_ROPE = ("rope_parameters", "rope_scaling")
_ROPE_KEYS = frozenset(["type", "mrope_interleaved"])
"""Of rope parameters, beside those that Transformers declares."""
_ROPE_KINDS = frozenset(["default", "mrope", "su"])
"""Kinds of rope scaling that it reads, beside those it has functions for."""
_HANDLED = frozenset(["quantization_config", "compression_config", "rope_theta", "rotary_pct", "rotary_emb_base"])
"""Read by Transformers outside its config classes."""
_HARMLESS = frozenset(
    [
        *("prefix", "bad_words_ids", "pruned_heads", "torchscript", "finetuning_task", "tf_legacy_loss"),
        *("use_bfloat16", "sep_token_id", "unk_token_id", "mask_token_id", "cls_token_id", "decoder_start_token_id"),
        *("model_max_length", "output_past", "num_labels", "language", "license", "transformers.js_config"),
        *("initializer_range", "initializer_factor", "embedding_dropout", "residual_dropout", "classif_dropout"),
        *("neftune_noise_alpha", "router_aux_loss_coef", "unsloth_version", "unsloth_fixed"),
    ]
)
"""Of the base class of all configs as it once was; how to draw, how it was trained, what it was made with."""
_PUBLISHED = frozenset(
    [
        *("bias_dropout_fusion", "masked_softmax_fusion", "skip_bias_add", "skip_bias_add_qkv", "offset_alibi"),
        *("attention_softmax_in_fp32", "scale_attention_softmax_in_fp32", "seq_length", "rotary"),
        *("mlp_type", "norm_type", "add_bias_logits", "normalize_embedding", "static_position_embeddings"),
        *("extra_pos_embeddings", "add_final_layer_norm", "force_bos_token_to_be_generated", "directionality"),
        *("net_structure_type", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers"),
        *("pooler_size_per_head", "pooler_type", "num_memory_blocks", "gap_size", "down_scale_factor"),
        *("ff_activation", "aux_loss_alpha", "ep_size", "moe_layer_freq", "seq_aux", "vision_token_id"),
        *("image_seq_len", "init_config", "init_device", "fused_add_norm", "pad_vocab_size_multiple", "rms_norm"),
    ]
)
"""Of published files (BLOOM, GPT-J, BART, BERT, StarCoder 2, DeepSeek, Mamba …): Transformers' code always does what they say."""


def refuse_unknown(folder: Path, *, asked: bool) -> None:
    """Refuse what Transformers would drop without a word; see the top of this file.

    Args:
        asked: the user named Transformers, or was told already that it is used: doubtful keys are warned of.

    Raises:
        ModelError: keys, or a kind of rope scaling, that neither it nor Sibao knows; each is named.
    """
    import transformers

    data = read_json(folder / "config.json")
    refuse_depth(data, str(folder))
    name = str(data.get("model_type"))
    ours, form = is_family(name), _form(name)
    if form is None:
        return
    who = f"neither Sibao nor Transformers {transformers.__version__}"
    for kind in _rope_kinds(data):
        if kind not in _kinds() and f'"{kind}"' not in _source(form):
            raise ModelError(
                f"{folder}: config.json asks for rope scaling {kind!r}, which {who} has",
                hint="positions would be wrong without it",
            )
    top = _top(data, form) & unread_keys(data) if ours else _top(data, form) - _PUBLISHED
    odd = sorted({*top, *_rope_odd(data, form)})
    doubtful = [] if ours else [key for key in odd if asked or not _value(data, key) or _word(key) in _names()]
    if wrong := [key for key in odd if key not in doubtful]:
        do = "take them out if they change nothing"
        raise ModelError(
            f"{folder}: config.json has keys that {who} knows for {name}: {', '.join(wrong)}",
            hint=f"loading would ignore them; {do if ours else f'transformers:{folder} does so and only warns'}",
        )
    doubtful = [key for key in doubtful if _value(data, key) is not None] + ([] if ours else _inner(data, form))
    if doubtful and asked:
        log.warning("%s: config.json has keys that Transformers does not use: %s", folder, ", ".join(doubtful))


def _form(model_type: str) -> Any:
    """The config class of a type; None where Transformers has none."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return CONFIG_MAPPING[model_type] if model_type in CONFIG_MAPPING else None  # noqa: SIM401 - it has no get


def _top(data: Mapping[str, Any], form: Any) -> set[str]:
    """Keys of an object that its config class does not know."""
    return {key for key in data if not key.startswith("_") and key not in _known(form) and not _read(key, form)}


@cache
def _known(form: Any) -> frozenset[str]:
    """Keys that a config class knows, or that do no harm."""
    from transformers import GenerationConfig

    declared = set(getattr(form, "__dataclass_fields__", ())) | {name for name in dir(form) if not name.startswith("_")}
    names = declared | set(form.attribute_map) | set(form.sub_configs) | set(GenerationConfig().to_dict())
    return frozenset(names | NEUTRAL | _HARMLESS | _HANDLED | set(_ROPE))


@cache
def _source(form: Any) -> str:
    """Code of the family in Transformers. Read, not run: a key may be asked for there without being declared."""
    import sys

    folder = Path(str(sys.modules[form.__module__].__file__)).parent
    files = sorted({*folder.glob("configuration_*.py"), *folder.glob("modeling_*.py")})
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def _read(key: str, form: Any) -> bool:
    """Whether the family's code asks for a key that its config class does not declare."""
    return re.search(rf"""["']{re.escape(key)}["']|config\.{re.escape(key)}\b""", _source(form)) is not None


@cache
def _names() -> frozenset[str]:
    """Every key that the config of some family declares."""
    import transformers

    folder = Path(str(transformers.__file__)).parent / "models"
    files = folder.glob("*/configuration_*.py")
    return frozenset(
        name for path in files for name in re.findall(r"(?m)^    (\w+): ", path.read_text(encoding="utf-8"))
    )


def _ropes(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Objects of rope parameters with their names: one, or one for each kind of layer."""
    for name in _ROPE:
        if isinstance(found := data.get(name), Mapping):
            inner = {f"{name}.{key}": value for key, value in found.items() if isinstance(value, Mapping)}
            yield from inner.items() if inner else [(name, found)]


def _rope_kinds(data: Mapping[str, Any]) -> list[str]:
    return [str(rope.get("rope_type") or rope.get("type") or "default") for _, rope in _ropes(data)]


@cache
def _kinds() -> frozenset[str]:
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    return _ROPE_KINDS | set(ROPE_INIT_FUNCTIONS)


def _rope_odd(data: Mapping[str, Any], form: Any) -> list[str]:
    from transformers.modeling_rope_utils import RopeParameters

    known = _ROPE_KEYS | set(RopeParameters.__annotations__)
    return [f"{name}.{key}" for name, rope in _ropes(data) for key in rope if key not in known and not _read(key, form)]


def _inner(data: Mapping[str, Any], form: Any) -> list[str]:
    """Unknown keys of the configs inside a config (of the half that sees, say), their object's name in front."""
    found: list[str] = []
    for name, kind in form.sub_configs.items():
        if isinstance(inner := data.get(name), Mapping):
            kind = kind if hasattr(kind, "attribute_map") else _form(str(inner.get("model_type")))
            found += (
                [] if kind is None else sorted(f"{name}.{key}" for key in _top(inner, kind) - _PUBLISHED if inner[key])
            )
    return found


def _value(data: Mapping[str, Any], key: str) -> Any:
    """The value of a key that may be one of a rope's: those count as said."""
    return data.get(key, True)


def _word(key: str) -> str:
    return key.rpartition(".")[2]
