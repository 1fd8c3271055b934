"""Models on disk: Hugging Face folders, read strictly and written so that Transformers loads them unchanged.

Weights are safetensors only; pickles are refused. Knows nothing of tokenizers.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from sibao.core.errors import ModelError, UnsupportedModel
from sibao.core.names import load_module, module_names
from sibao.core.paths import write_text
from sibao.models.base import Keys, Rename, to_checkpoint
from sibao.models.compressed import KEY as QUANTIZATION
from sibao.models.compressed import coded, form_of, plain_tensors, put_codes
from sibao.models.weights import (
    SHARD_BYTES,
    named_weights,
    open_weights,
    read_json,
    refuse_lies,
    refuse_nan,
    write_shards,
)
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder
from sibao.nn.encoder import Encoder
from sibao.nn.encoder_config import EncoderConfig
from sibao.nn.integer import Codes
from sibao.nn.network import Network
from sibao.nn.seq2seq import Seq2Seq
from sibao.nn.seq2seq_config import Seq2SeqConfig

Config = DecoderConfig | EncoderConfig | Seq2SeqConfig
"""The shape of any network."""
NETWORKS: dict[type[Any], type[Network]] = {DecoderConfig: Decoder, EncoderConfig: Encoder, Seq2SeqConfig: Seq2Seq}
"""The network that computes each kind of shape."""


MAX_LAYERS = 10_000
"""Layers of a model at most; published ones have one or two hundred."""
SIZES = frozenset(
    [
        *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "head_dim"),
        *("num_key_value_heads", "max_position_embeddings", "n_embd", "n_layer", "n_head", "n_positions", "n_inner"),
        *("d_model", "d_ff", "d_kv", "num_layers", "num_heads", "encoder_layers", "decoder_layers"),
        *("encoder_attention_heads", "decoder_attention_heads", "encoder_ffn_dim", "decoder_ffn_dim"),
    ]
)
"""Keys of config.json, whatever the family, that are sizes."""
_NOT_FAMILIES = ("adapter", "base", "compressed", "folder", "names", "weights")


def family_of(name: str) -> ModuleType:
    """The module of a family by its ``model_type``; a miss lists the nearest names."""
    return load_module("sibao.models", name, "model family")


def renames_of(family: ModuleType, config: Any) -> tuple[Rename, ...]:
    """The tensor names of a family; where they depend on the shape (a head, say) its function ``renames`` tells them."""
    found: tuple[Rename, ...] = family.renames(config) if hasattr(family, "renames") else family.RENAMES
    return found


def families() -> list[str]:
    """Names of all families: the modules of this package that define ``RENAMES``."""
    return [name for name in module_names("sibao.models") if is_family(name)]


def is_family(name: str) -> bool:
    """Whether that ``model_type`` is implemented; looks at its module only."""
    names = module_names("sibao.models")
    return name in names and name not in _NOT_FAMILIES and hasattr(family_of(name), "RENAMES")


def read_config(folder: Path) -> tuple[str, Any]:
    """Family name and shape of the model in ``folder``."""
    return parse_config(read_json(folder / "config.json"), str(folder))


def refuse_depth(data: dict[str, Any], folder: str) -> None:
    """Refuse a number of layers that is a fault: the list of what each layer is would fill the memory."""
    for key, value in data.items():
        if "layer" in key and isinstance(value, int) and value > MAX_LAYERS:
            raise ModelError(f"{folder}/config.json has {key} = {value}; at most {MAX_LAYERS} are read")


def refuse_sizes(data: dict[str, Any], folder: str) -> None:
    """Refuse, under the file's own name for it, a size that is no whole number above 0; null says nothing."""
    for key in sorted(SIZES & data.keys()):
        value = data[key]
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ModelError(
                f"{folder}/config.json: {key} is {value!r}, wanted a whole number of at least 1",
                hint="the file is damaged; copy it again",
            )


def unread_keys(data: dict[str, Any]) -> set[str]:
    """Keys of a config.json of a family that is implemented which its reader does not look at, as far as it comes."""
    keys = Keys({key: value for key, value in data.items() if key != QUANTIZATION})
    with suppress(ModelError, TypeError, ValueError, ZeroDivisionError):  # what is wrong is said by read_config
        family_of(str(data.get("model_type"))).read(keys)
    return set(keys.unread())


def parse_config(data: dict[str, Any], folder: str) -> tuple[str, Any]:
    """Family name and shape that the keys of a config.json ask for; ``folder`` is named in errors."""
    name = data.get("model_type")
    if not isinstance(name, str):
        raise ModelError(f"{folder}/config.json names no model_type")
    refuse_depth(data, folder)
    if not is_family(name):
        raise UnsupportedModel(
            f"{folder}: model_type {name!r} is not implemented",
            hint="through Transformers it may answer, but it is not trained or exported here; families that are: "
            + ", ".join(families()),
        )
    refuse_sizes(data, folder)
    form_of(data, folder)
    keys = Keys({key: value for key, value in data.items() if key != QUANTIZATION})
    try:
        config = family_of(name).read(keys)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelError(f"{folder}/config.json holds a value of the wrong kind: {error}") from None
    keys.finish()
    return name, config


def load_model(folder: Path | str, dtype: torch.dtype | None = None) -> Decoder:
    """The decoder in a Hugging Face folder; see ``load_network``.

    Raises:
        ModelError: what is there is another kind of network; or what ``load_network`` raises.
    """
    model = load_network(folder, dtype)
    if not isinstance(model, Decoder):
        kind = type(model).__name__
        raise ModelError(f"{folder} holds a {kind}, wanted a decoder: it does not continue text")
    return model


def load_network(folder: Path | str, dtype: torch.dtype | None = None, *, quantized: bool = False) -> Network:
    """The network in a Hugging Face folder, whatever its architecture.

    Args:
        dtype: precision of the weights in memory; None keeps that of the file (float32 where that is quantised).
        quantized: weights that are whole numbers in the file (``compressed.form_of``) stay so.

    Raises:
        ModelError: unknown family or key, damaged or missing weights, shapes that do not fit, NaN or infinity.
    """
    folder = Path(folder)
    name, tensors, codes, model = _opened(folder, read=True)
    renames = renames_of(family_of(name), model.config)
    if codes and not quantized:
        tensors |= {key: one.dequantized() for key, one in codes.items()}
        dtype = dtype or torch.float32
    state = named_weights(folder, tensors, renames, model)
    for key, tensor in tensors.items():
        refuse_nan(folder, key, codes[key].steps if key in codes else tensor)
    if codes and quantized:
        put_codes(model, codes, renames, state)
    if dtype is not None:
        state = {k: v.to(dtype) for k, v in state.items()}
    tied = {name: state[source] for name, source in model.tied.items()}
    model.load_state_dict(state | tied, assign=True, strict=not (codes and quantized))
    model.tie()
    return model.eval()


def refuse_unfit(folder: Path) -> Config:
    """Refuse weights that ``load_network`` would, as far as their headers tell: no number of them is read.

    Returns:
        the model's shape.

    Raises:
        ModelError: files that are missing or damaged, or tensors or shapes that config.json does not ask for.
    """
    name, tensors, _, model = _opened(folder, read=False)
    named_weights(folder, tensors, renames_of(family_of(name), model.config), model)
    config: Config = model.config
    return config


def _opened(folder: Path, *, read: bool) -> tuple[str, dict[str, torch.Tensor], dict[str, Codes], Network]:
    """Family, tensors of the files (not read yet), those of them that are quantised, and a network of that shape whose
    memory stays untouched: the checkpoint's tensors take its place."""
    name, config = read_config(folder)
    tensors = open_weights(folder)
    codes = coded(folder, tensors, read=read) if quantized_form(folder) else {}
    tensors = plain_tensors(tensors, codes)
    if settle := getattr(family_of(name), "settle", None):  # what the files say better than config.json
        config = settle(config, tensors)
    refuse_lies(folder, config, tensors)
    try:
        return name, tensors, codes, new_network(config)
    except RuntimeError as error:
        raise ModelError(f"{folder}: config.json asks for more memory than there is: {error}") from None


def quantized_form(folder: Path) -> str | None:
    """``int8`` or ``int4`` where the weights of a folder are quantised; raises what ``compressed.form_of`` raises."""
    return form_of(read_json(folder / "config.json"), str(folder))


def new_network(config: Any) -> Network:
    """A network of that shape, without numbers in it."""
    return NETWORKS[type(config)](config)


def save_model(
    model: Network,
    folder: Path | str,
    family: str,
    *,
    dtype: torch.dtype | None = None,
    extra: dict[str, Any] | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write ``config.json`` and ``model.safetensors`` (sharded above ``shard_bytes``), each file atomically.

    Args:
        extra: further keys for config.json (token ids, say).

    Raises:
        ModelError: a tensor that the family has no name for (an adapter that was not merged).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    module = family_of(family)
    state = {k: v.detach().to(dtype or v.dtype) for k, v in model.state_dict().items()}
    state = {k: v for k, v in state.items() if k not in model.tied}
    tensors = {k: v.contiguous() for k, v in to_checkpoint(renames_of(module, model.config), state).items()}
    write_shards(folder, tensors, shard_bytes)
    stored = next(iter(tensors.values())).dtype
    config = module.write(model.config) | {"dtype": str(stored).removeprefix("torch.")} | (extra or {})
    write_text(folder / "config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")
