"""What encoder-decoder families share in their ``config.json``."""

from __future__ import annotations

from typing import Any

from sibao.models.base import Keys
from sibao.nn.seq2seq_config import Seq2SeqConfig

GENERATION = (
    "max_length", "min_length", "num_beams", "length_penalty", "early_stopping", "bad_words_ids", "forced_eos_token_id",
    "forced_bos_token_id", "no_repeat_ngram_size", "do_sample", "temperature", "top_k", "top_p", "repetition_penalty",
    "num_return_sequences", "output_past", "is_decoder",
)  # fmt: skip
"""Keys of old config files that say how to generate (read by the provider), not what is computed."""


def token_ids(keys: Keys, pad: int | None, eos: int) -> dict[str, int]:
    """The three ids that an encoder-decoder cannot do without."""
    keys.used.update(GENERATION)
    padding = keys.get("pad_token_id") if pad is None else keys.get("pad_token_id", pad)
    end = keys.get("eos_token_id", eos)
    return {
        "pad_token_id": padding,
        "eos_token_id": end[0] if isinstance(end, list) and end else end,
        "decoder_start_token_id": keys.get("decoder_start_token_id", padding),
    }


def token_json(config: Seq2SeqConfig) -> dict[str, Any]:
    """The same for writing."""
    return {
        "pad_token_id": config.pad_token_id, "eos_token_id": config.eos_token_id,
        "decoder_start_token_id": config.decoder_start_token_id, "is_encoder_decoder": True,
    }  # fmt: skip
