"""Tiny models and tokenizers of every kind that goes into GGUF, with biases and norms that are not idle."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from tests.tiny import TEXTS, tiny_config, tiny_tokenizer
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from sibao.models.base import Keys
from sibao.models.folder import family_of, new_network, save_model
from sibao.text.tokenizer import Tokenizer

SLIDING, FULL = "sliding_attention", "full_attention"
_GEMMA = {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 16, "hidden_activation": "gelu_pytorch_tanh"}
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {}, "llama": {}, "mistral": {}, "qwen2": {}, "qwen3": {}, "phi3": {},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2, "rms_norm_eps": 1e-6},
    "qwen3_moe": {"num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "norm_topk_prob": True},
    "gemma2": {**_GEMMA, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 10.0},
    "gemma3_text": {
        **_GEMMA, "num_hidden_layers": 7,
        "rope_parameters": {
            SLIDING: {"rope_type": "default", "rope_theta": 100.0}, FULL: {"rope_type": "default", "rope_theta": 5000.0},
        },
    },
}  # fmt: skip
"""Keys of ``config.json`` that a tiny model of each family wants besides the common ones."""
ARCHITECTURES = {"mistral": "llama", "mixtral": "llama", "qwen3_moe": "qwen3moe", "gemma3_text": "gemma3"}
"""Family → llama.cpp's architecture, where it is called otherwise."""


def gguf_config(family: str, vocab: int = 400, context: int = 128, **extra: Any) -> dict[str, Any]:
    """``config.json`` of a tiny model; ``extra`` keys win."""
    config = {**tiny_config(family, vocab, context), "head_dim": 8, **FAMILIES[family], **extra}
    if family in ("gpt2", "phi3") and "head_dim" not in extra:
        config.pop("head_dim")
    if "rope_parameters" in config:
        config.pop("rope_theta", None)
    return config


def gguf_folder(path: Path, family: str, tokenizer: Tokenizer | None = None, **extra: Any) -> Path:
    """A tiny model with its tokenizer; rows of its embedding are as many as the tokenizer has tokens, or 400."""
    if tokenizer is not None:
        extra = {"vocab_size": tokenizer.vocab_size, **extra}
    model = new_network(family_of(family).read(Keys(gguf_config(family, **extra))))
    model.initialize(3)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    save_model(model, path, family, extra={"bos_token_id": None, "eos_token_id": 2, "pad_token_id": 0})
    (tokenizer or tiny_tokenizer()).save(path)
    return path


PIECES = ("llama", "metaspace", "gemma")


@lru_cache(maxsize=4)
def pieces_tokenizer(kind: str) -> Tokenizer:
    """A BPE that SentencePiece trained, in the form of ``tokenizer.json`` that Llama 2, newer files of it, or Gemma has."""
    names, scores = _trained(["<table>", "▁▁", "▁▁▁", "\n\n"] if kind == "gemma" else [])
    vocab = {name: i for i, name in enumerate(names)}
    merges: list[tuple[str, str]] = []
    for name in sorted(names[3:], key=lambda n: -scores[vocab[n]]):
        cuts = [(name[:i], name[i:]) for i in range(1, len(name))]
        merges += sorted((c for c in cuts if c[0] in vocab and c[1] in vocab), key=lambda c: (vocab[c[0]], vocab[c[1]]))
    backend = Backend(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    replace = normalizers.Replace(" ", "▁")
    if kind == "gemma":
        backend.normalizer = replace
        backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    elif kind == "llama":
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace])
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    backend.add_special_tokens([AddedToken(n, normalized=False, special=True) for n in names[:3]])
    if kind == "gemma":
        backend.add_tokens([AddedToken(n, normalized=False) for n in names[3:7]])
    return Tokenizer(backend, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"})


def _trained(symbols: list[str]) -> tuple[list[str], list[float]]:
    """Names and scores of the pieces; user-defined ``symbols`` follow the control tokens, then the 256 bytes."""
    import sentencepiece

    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=file, model_type="bpe", byte_fallback=True, vocab_size=480,
        hard_vocab_limit=False, minloglevel=2, character_coverage=0.98, normalization_rule_name="identity",
        remove_extra_whitespaces=False, user_defined_symbols=symbols,
    )  # fmt: skip
    read = sentencepiece.SentencePieceProcessor(model_proto=file.getvalue())
    ids = range(read.get_piece_size())
    return [read.id_to_piece(i) for i in ids], [read.get_score(i) for i in ids]
