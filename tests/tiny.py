"""Tiny models in real Hugging Face folders, made in milliseconds from random weights and two lines of text."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from sibao.text.tokenizer import Tokenizer, train_bpe

TEXTS = (
    "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。我喜欢读书，也喜欢写字。今天天气很好，我们去公园散步吧！",
    "The quick brown fox jumps over the lazy dog. I like reading books, and the weather is fine today.\n\nHow are you?",
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。👍🎉 Once upon a time there was a little house. 1234567890",
)


@lru_cache(maxsize=4)
def tiny_tokenizer(vocab: int = 400) -> Tokenizer:
    """A byte-level BPE with ChatML control tokens; any text can be encoded. Do not change it: it is shared."""
    return train_bpe(TEXTS, vocab, min_frequency=1, progress=False)


def tiny_config(family: str, vocab: int, context: int) -> dict[str, object]:
    """``config.json`` keys of a two-layer model. The weights are spread wide so that its choices are clear."""
    ends = {"bos_token_id": None, "eos_token_id": 2, "pad_token_id": 0}
    if family == "gpt2":
        sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": context}
        return {"model_type": "gpt2", "vocab_size": vocab, "initializer_range": 0.3, **sizes, **ends}
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    return {
        "model_type": family, "vocab_size": vocab, "head_dim": 16, "intermediate_size": 64,
        "max_position_embeddings": context, "tie_word_embeddings": True, "initializer_range": 0.3,
        "rms_norm_eps": 1e-6, "hidden_act": "silu", **sizes, **ends,
    }  # fmt: skip


def tiny_folder(path: Path, family: str = "qwen3", vocab: int = 400, seed: int = 0, context: int = 128) -> Path:
    """Write a model folder: config.json, model.safetensors, tokenizer.json, tokenizer_config.json; returns ``path``."""
    from sibao.models.base import Keys
    from sibao.models.folder import family_of, save_model
    from sibao.nn.decoder import Decoder

    model = Decoder(family_of(family).read(Keys(tiny_config(family, vocab, context))))
    model.initialize(seed)
    ends = {"bos_token_id": None, "eos_token_id": 2, "pad_token_id": 0}
    save_model(model, path, family, extra=ends)
    tiny_tokenizer(vocab).save(path)
    return path
