"""Writing a GGUF file, the format of llama.cpp, through the ``gguf`` package: one tensor in memory at a time."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sibao.core.errors import MissingPackage, ModelError
from sibao.core.paths import atomic_path
from sibao.models.gguf import hyperparameters, layout_of, notes_of, tensors
from sibao.models.gguf_layouts import Layout
from sibao.nn.decoder import Decoder
from sibao.nn.network import Network
from sibao.text.gguf import vocabulary
from sibao.text.tokenizer import Tokenizer

TYPES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16", "q8_0": "Q8_0"}
"""Precision → name of the tensor type; ``q8_0`` keeps blocks of 32 weights as 8-bit numbers with one scale."""
_FILE_TYPES = {"F32": "ALL_F32", "F16": "MOSTLY_F16", "BF16": "MOSTLY_BF16", "Q8_0": "MOSTLY_Q8_0"}
_BLOCK = 32


def require_package() -> None:
    """Refuse early.

    Raises:
        MissingPackage: the package ``gguf`` is not installed.
    """
    if find_spec("gguf") is None:
        raise MissingPackage("gguf", extra="gguf", purpose="writing GGUF files")


def write_gguf(
    path: Path, model: Network, family: str, tokenizer: Tokenizer, precision: str, general: dict[str, Any]
) -> tuple[str, ...]:
    """Write a model with its tokenizer into one file, atomically.

    Args:
        precision: a key of ``TYPES``; norms, biases, routers and learned positions stay fp32, as llama.cpp has them.
        general: name, licence, languages: keys of ``general.`` without the prefix.

    Returns:
        what a user of the file should know.

    Raises:
        ModelError: the model or its tokenizer has no place in the format.
        MissingPackage: the package ``gguf`` is not installed.
    """
    require_package()
    import gguf

    layout = layout_of(family, model.config)
    if not isinstance(model, Decoder):
        raise ModelError(f"a {type(model).__name__} cannot be written as GGUF", hint="--format hf takes any model")
    words = vocabulary(tokenizer, model.config.vocab_size)
    with atomic_path(path) as temporary:
        writer = gguf.GGUFWriter(temporary, layout.architecture)
        for key, value in _metadata(layout.architecture, precision, general).items():
            _put(writer, key, value)
        for key, value in {**hyperparameters(layout, model.config), **words.metadata()}.items():
            _put(writer, key, value)
        _write_tensors(writer, layout, model, precision)
        writer.close()
    return words.notes + notes_of(layout, model.config)


def _metadata(architecture: str, precision: str, general: dict[str, Any]) -> dict[str, Any]:
    import gguf

    kind = gguf.LlamaFileType[_FILE_TYPES[TYPES[precision]]]
    values = {"type": "model", **general, "quantization_version": gguf.GGML_QUANT_VERSION, "file_type": int(kind)}
    return {f"general.{key}": value for key, value in values.items() if value not in (None, "", [])}


def _put(writer: Any, key: str, value: Any) -> None:
    """One key of the metadata, by the type of its value."""
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def _write_tensors(writer: Any, layout: Layout, model: Decoder, precision: str) -> None:
    """Names and places first, then the numbers, each made and converted when its turn comes."""
    import gguf
    import numpy as np

    for name, tensor in tensors(layout, model):
        kind = gguf.GGMLQuantizationType[_type(name, tensor, TYPES[precision])]
        block, size = gguf.GGML_QUANT_SIZES[kind]
        count = tensor.numel() // block * size
        writer.add_tensor_info(name, list(tensor.shape), np.dtype(np.float32), count, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, tensor in tensors(layout, model):
        kind = gguf.GGMLQuantizationType[_type(name, tensor, TYPES[precision])]
        numbers = tensor.to(torch.float32).contiguous().numpy()
        writer.write_tensor_data(gguf.quants.quantize(numbers, kind))


def _type(name: str, tensor: Tensor, wanted: str) -> str:
    """The type that a tensor is kept in: rows that are no whole number of blocks are not quantized but F16."""
    if tensor.dim() < 2 or name.startswith("position_embd") or "ffn_gate_inp" in name:
        return "F32"
    return "F16" if wanted == "Q8_0" and tensor.shape[-1] % _BLOCK else wanted
