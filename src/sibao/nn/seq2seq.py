"""One encoder-decoder (arXiv 1706.03762) that is T5 or Marian by its config.

The encoder reads the source once; the decoder writes the answer token by token, looking at what it wrote and, by cross
attention, at what the encoder made of the source. Knows tensors only. N stands for rows of answers.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sibao.nn.linear import Linear, embedding
from sibao.nn.network import Network
from sibao.nn.norm import make_norm
from sibao.nn.relative import RelativeBias, sine_table
from sibao.nn.seq2seq_config import Seq2SeqConfig
from sibao.nn.seq2seq_layers import PairCache, PairLayer, WholeAnswers


class Stack(nn.Module):
    """The layers of one side with its positions and embeddings."""

    def __init__(self, config: Seq2SeqConfig, *, decoder: bool) -> None:
        super().__init__()
        D = config.hidden_size
        self.embed_tokens = embedding(config.decoder_vocab_size if decoder else config.vocab_size, D)
        self.embed_scale = D**0.5 if config.scale_embedding else 1.0
        count = config.decoder_layers if decoder else config.encoder_layers
        heads = config.decoder_heads if decoder else config.encoder_heads
        self.layers = nn.ModuleList(PairLayer(config, cross=decoder) for _ in range(count))
        self.norm = make_norm(config.norm, D, config.norm_eps) if config.pre_norm else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.relative_bias = (
            RelativeBias(heads, config.buckets, config.longest_distance, both_ways=not decoder)
            if config.positions == "relative"
            else None
        )

    @property
    def parts(self) -> list[PairLayer]:
        """The layers, as what they are."""
        return cast(list[PairLayer], list(self.layers))

    def embed(self, ids: Tensor, sines: Tensor | None) -> Tensor:
        """Embeddings [B, T, D]; ``sines`` are those of the positions, broadcastable to it."""
        x = self.embed_tokens(ids) * self.embed_scale
        return self.dropout(x if sines is None else x + sines.to(x.dtype))

    def scores(self, queries: Tensor, keys: Tensor, visible: Tensor) -> Tensor:
        """What attention adds to its scores: the visible places (bool) as they are, or distances with the rest at -∞."""
        if self.relative_bias is None:
            return visible
        bias: Tensor = self.relative_bias(queries, keys)
        return bias.masked_fill(~visible, float("-inf"))


class Seq2Seq(Network):
    """An encoder-decoder. Its weights mean nothing until ``initialize`` or a checkpoint fills them."""

    config: Seq2SeqConfig
    sines: Tensor
    final_logits_bias: Tensor

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Stack(config, decoder=False), Stack(config, decoder=True)
        self.lm_head = Linear(config.hidden_size, config.decoder_vocab_size, bias=False)
        self.notes: dict[str, Any] = {}
        """What the folder says that changes no number here (how to generate, say); filled by who trains."""
        self.tied = {}
        if config.share_embeddings:
            self.shared = embedding(config.vocab_size, config.hidden_size)
            self.tied = {f"{side}.embed_tokens.weight": "shared.weight" for side in ("encoder", "decoder")}
        if config.tie_word_embeddings:
            self.tied["lm_head.weight"] = "shared.weight" if config.share_embeddings else "decoder.embed_tokens.weight"
        self.tie()
        if config.logits_bias:
            self.register_buffer("final_logits_bias", torch.zeros(1, config.decoder_vocab_size))
        if config.positions == "sine":
            table = sine_table(config.max_position_embeddings, config.hidden_size)
            self.register_buffer("sines", table, persistent=False)

    def encode(self, source_BS: Tensor, mask_BS: Tensor) -> Tensor:
        """What the encoder makes of the sources, [B, S, D].

        Args:
            mask_BS: bool, True where a token stands; padding may stand on either side.
        """
        positions = torch.arange(source_BS.shape[1], device=source_BS.device)
        x = self.encoder.embed(source_BS, self._sines((mask_BS.cumsum(1) - 1).clamp(min=0)))
        scores = self.encoder.scores(positions[None], positions, mask_BS[:, None, None, :])
        for layer in self.encoder.parts:
            x = layer(x, scores)
        out: Tensor = self.encoder.norm(x)
        return out

    def decode(self, target_BT: Tensor, memory_BSD: Tensor, mask_BS: Tensor) -> Tensor:
        """Hidden states [B, T, D] of whole answers, the start token first; padding at the end is never seen."""
        positions = torch.arange(target_BT.shape[1], device=target_BT.device)
        cache = WholeAnswers(self.decoder.parts, memory_BSD, mask_BS)
        return self.step(target_BT, positions[None], cache, positions)

    def step(self, ids_NT: Tensor, positions_NT: Tensor, cache: PairCache, keys_S: Tensor) -> Tensor:
        """Hidden states [N, T, D] after tokens of answers.

        Args:
            positions_NT: of the tokens; one row may stand for all. keys_S: positions of what the cache gives to look at.
        """
        x = self.decoder.embed(ids_NT, self._sines(positions_NT))
        visible = (keys_S <= positions_NT[:, :, None])[:, None]
        scores = self.decoder.scores(positions_NT, keys_S, visible)
        for number, layer in enumerate(self.decoder.parts):
            x = layer(x, scores, cache.layer(number))
        out: Tensor = self.decoder.norm(x)
        return out

    def forward(self, source_BS: Tensor, mask_BS: Tensor, target_BT: Tensor) -> Tensor:
        """Hidden states [B, T, D] of the answers given their sources (teacher forcing)."""
        return self.decode(target_BT, self.encode(source_BS, mask_BS), mask_BS)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every vocabulary entry, float32 [..., V], from hidden states [..., D]."""
        if self.config.scale_output:
            hidden = hidden * self.config.hidden_size**-0.5
        out = F.linear(hidden, self.lm_head.weight).float()
        return out + self.final_logits_bias[0].float() if self.config.logits_bias else out

    def _sines(self, positions: Tensor) -> Tensor | None:
        return self.sines[positions] if self.config.positions == "sine" else None

    @torch.no_grad()
    def initialize(self, seed: int) -> None:
        """Random weights: normal(0, ``init_std``), or T5's own: inputs^-½ for each matrix (queries also by E^-½, since
        their scores are not scaled), 1 for embeddings. Norms 1, biases 0. The same seed gives the same weights."""
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
            else:
                std = self.config.init_std or self._first_std(name, parameter)
                parameter.normal_(0.0, std, generator=generator)
        if self.config.logits_bias:
            self.final_logits_bias.zero_()

    def _first_std(self, name: str, parameter: Tensor) -> float:
        if name.endswith("relative_bias.table.weight"):
            return float(self.config.hidden_size**-0.5)
        if parameter is self.encoder.embed_tokens.weight or parameter is self.decoder.embed_tokens.weight:
            return 1.0
        queries = 1 if self.config.scale_attention or not name.endswith("q_proj.weight") else self.config.head_dim
        return float((parameter.shape[1] * queries) ** -0.5)
