"""A tokenizer for a new encoder-decoder: byte-level BPE with T5's control tokens; every text ends with the end token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers import processors

from sibao.text.tokenizer import Tokenizer, train_bpe

PAD, END = "<pad>", "</s>"
SENTINELS = 100
"""As many as T5 has."""


def train_source_target(texts: Iterable[str], vocab_size: int, *, sentinels: int = 0) -> Tokenizer:
    """Train a tokenizer that sources and answers share.

    Args:
        vocab_size: entries in all, control tokens and sentinels ``<extra_id_n>`` included.

    Raises:
        BadInput: the size is too small, or there is no text.
    """
    marks = [f"<extra_id_{i}>" for i in range(sentinels)]
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": PAD,
        "additional_special_tokens": marks, "add_prefix_space": False, "clean_up_tokenization_spaces": False,
    }  # fmt: skip
    tokenizer = train_bpe(texts, vocab_size, progress=False, specials=(PAD, END, *marks), config=config)
    end = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, tokenizer.eos_ids[0])]
    )
    tokenizer.backend.post_processor = end
    return Tokenizer(tokenizer.backend, config)


def sentinel_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Ids of ``<extra_id_0>`` and the following, as many as the tokenizer has."""
    found: list[int] = []
    while (number := tokenizer.backend.token_to_id(f"<extra_id_{len(found)}>")) is not None:
        found.append(number)
    return tuple(found)
