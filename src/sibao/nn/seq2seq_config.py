"""The shape of an encoder-decoder. Families translate their ``config.json`` into this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sibao.core.errors import ModelError
from sibao.nn.config import whole_number


@dataclass(frozen=True)
class Seq2SeqConfig:
    """Everything that decides what an encoder-decoder computes.

    ``context`` bounds the source and the answer, each by itself. ``decoder_vocab_size`` differs from ``vocab_size``
    only where ``share_embeddings`` is off.
    """

    vocab_size: int
    hidden_size: int
    encoder_layers: int
    decoder_layers: int
    encoder_heads: int
    decoder_heads: int
    head_dim: int
    encoder_ffn: int
    decoder_ffn: int
    max_position_embeddings: int
    decoder_vocab_size: int
    pad_token_id: int
    eos_token_id: int
    decoder_start_token_id: int
    norm: Literal["rms", "layer"] = "rms"
    norm_eps: float = 1e-6
    pre_norm: bool = True
    """Norms before each part and one at the end (T5); otherwise after each part (Marian)."""
    activation: Literal["relu", "silu", "gelu", "gelu_tanh"] = "relu"
    gated_mlp: bool = False
    positions: Literal["relative", "sine"] = "relative"
    buckets: int = 32
    longest_distance: int = 128
    scale_attention: bool = False
    """Divide scores by √E (T5 does not: its initial weights are made for that)."""
    scale_embedding: bool = False
    """Multiply embeddings by √D."""
    scale_output: bool = False
    """Divide the last states by √D before the vocabulary (the first T5)."""
    bias: bool = False
    """In all linear layers but the vocabulary's."""
    logits_bias: bool = False
    share_embeddings: bool = True
    tie_word_embeddings: bool = True
    dropout: float = 0.0
    """Share of the embeddings and of each part's output that is zeroed in training (arXiv 1706.03762, section 5.4)."""
    init_std: float = 0.0
    """Standard deviation of all first weights; 0: each matrix has that of T5's own initialisation."""

    def __post_init__(self) -> None:
        sizes = (
            "vocab_size", "hidden_size", "encoder_layers", "decoder_layers", "encoder_heads", "decoder_heads",
            "head_dim", "encoder_ffn", "decoder_ffn", "max_position_embeddings", "decoder_vocab_size", "buckets",
        )  # fmt: skip
        for name in sizes:
            whole_number(name, getattr(self, name))
        for name in ("pad_token_id", "eos_token_id", "decoder_start_token_id"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 0 <= value < self.decoder_vocab_size:
                raise ModelError(f"config: {name} is {value!r}, the vocabulary has 0 to {self.decoder_vocab_size - 1}")
        if self.share_embeddings and self.decoder_vocab_size != self.vocab_size:
            raise ModelError(
                f"config: shared embeddings of {self.vocab_size} and {self.decoder_vocab_size} entries",
                hint="the two vocabularies must be one, or share_encoder_decoder_embeddings false",
            )
        if self.positions == "relative" and (self.buckets < 4 or self.longest_distance <= self.buckets // 2):
            raise ModelError(f"config: {self.buckets} distance buckets up to {self.longest_distance} cannot be made")
