"""Models that the engines are compared on: real sizes, random weights (`mini`: its own), made once under build/bench.

The tokenizer of every one is `mini`'s, with unused names up to the model's vocabulary: ids are what engines see, and only
the scoring of rows reads text.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "build" / "bench"


PAD = "<pad>"
"""The last row. CTranslate2 takes it away from a Marian, if it has this name."""


@dataclass(frozen=True)
class Shape:
    """``family`` and ``config`` are Transformers' own; no config: the embedded model. ``precision``: of the files and of
    peers that compute in what the files hold. ``prompt``: tokens of the long prompt, as many as fit up to 512."""

    name: str
    title: str
    family: str = ""
    precision: str = "fp32"
    prompt: int = 512
    config: dict[str, Any] = field(default_factory=dict)


def _ends(vocab: int) -> dict[str, int]:
    return {"vocab_size": vocab, "eos_token_id": vocab - 1, "bos_token_id": vocab - 1, "pad_token_id": vocab - 1}


QWEN3 = _ends(151936) | {
    "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
    "intermediate_size": 3072, "tie_word_embeddings": True, "max_position_embeddings": 4096,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
}  # fmt: skip
LLAMA = _ends(32000) | {
    "hidden_size": 288, "num_hidden_layers": 6, "num_attention_heads": 6, "num_key_value_heads": 6,
    "intermediate_size": 768, "tie_word_embeddings": True, "max_position_embeddings": 1024,
}  # fmt: skip
MARIAN = {
    "vocab_size": 32000, "d_model": 512, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 8,
    "decoder_attention_heads": 8, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048, "max_position_embeddings": 512,
    "decoder_start_token_id": 31999, "eos_token_id": 31998, "pad_token_id": 31999, "forced_eos_token_id": None,
    "scale_embedding": True, "activation_function": "swish",
}  # fmt: skip
SHAPES = {
    shape.name: shape
    for shape in (
        Shape("qwen3", "Qwen3-0.6B", "qwen3", "bf16", config=QWEN3),
        Shape("gpt2", "GPT-2 124M", "gpt2", config=_ends(50257)),
        Shape("llama15m", "Llama 15M", "llama", config=LLAMA),
        Shape("mini", "`mini`, 8M", prompt=448),
        Shape("marian", "Marian 76M", "marian", config=MARIAN),
    )
}


def vocabulary(shape: Shape) -> int:
    """Rows of the embedding."""
    config: dict[str, Any] = json.loads((folder_of(shape) / "config.json").read_text(encoding="utf-8"))
    return int(config["vocab_size"])


def folder_of(shape: Shape) -> Path:
    """The Hugging Face folder; random weights are made and written the first time."""
    from sibao.models.names import resolve

    if not shape.family:
        return resolve(shape.name).folder
    folder = PLACE / shape.name / "hf"
    if not (folder / "tokenizer.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _write(shape, folder)
        write_tokenizer(resolve("mini").folder, folder, shape.config["vocab_size"])
    return folder


def _write(shape: Shape, folder: Path) -> None:
    """Random weights, drawn by Transformers as it would for training."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(shape.family, **shape.config)
    kind = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    model = kind.from_config(config, dtype={"fp32": torch.float32, "bf16": torch.bfloat16}[shape.precision])
    model.save_pretrained(folder)


def write_tokenizer(source: Path, target: Path, vocab: int) -> None:
    """The tokenizer of ``source`` with unused names for the ids up to ``vocab``.

    CTranslate2 wants a name for every row of the embedding, and the same ids must mean the same everywhere.
    """
    data = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    known = data["model"]["vocab"]
    first = 1 + max([*known.values(), *(token["id"] for token in data["added_tokens"])])
    known |= {f"<unused{i}>": i for i in range(first, vocab - 1)} | {PAD: vocab - 1}
    (target / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    words = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    words["unk_token"] = words["eos_token"]  # byte-level: never met, but CTranslate2 cannot read a GPT-2 without
    words["pad_token"] = PAD
    (target / "tokenizer_config.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
