"""What the engine asks of a network: one step over new tokens of any number of sequences, with keys and values in blocks."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from sibao.engine.adapters import Adapters
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder
from sibao.nn.network import Network
from sibao.nn.seq2seq_config import Seq2SeqConfig

BLOCK = 32
"""Positions of a block of the cache."""
Config = DecoderConfig | Seq2SeqConfig


@dataclass(eq=False)
class Source:
    """What an encoder-decoder answers: keys and values of its tokens, for cross attention, lie in the blocks of ``table``.

    ``holders``: how many texts look at it.
    """

    ids: tuple[int, ...]
    table: array[int] = field(default_factory=lambda: array("i"))
    holders: int = 0


@dataclass
class Step:
    """New tokens of several sequences, one sequence after another (a ragged batch).

    ``ids`` and ``at`` [M]: token and position; ``first`` [sequences + 1]: where each sequence's tokens begin; ``tables``:
    the blocks of each sequence in order (position p lies in ``table[p // BLOCK]``); ``wanted`` [W]: tokens whose results
    are asked for, as places in ``ids``; ``adapters``: the model with each sequence's adapter, or None.

    Before that: ``copies`` of the first positions of a block to another block (from, to, how many), and ``reads``: sources
    that an encoder reads. ``sources``: what each sequence answers, or None.
    """

    ids: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=lambda: [0])
    tables: list[Sequence[int]] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    adapters: list[Decoder | None] = field(default_factory=list)
    copies: list[tuple[int, int, int]] = field(default_factory=list)
    reads: list[Source] = field(default_factory=list)
    sources: list[Source | None] = field(default_factory=list)

    def add(
        self,
        ids: Sequence[int],
        at: int,
        table: array[int],
        wanted: range,
        adapter: Decoder | None = None,
        source: Source | None = None,
    ) -> None:
        """Tokens of one more sequence, from position ``at`` on; ``wanted``: which of them, counted from ``at``'s."""
        here = len(self.ids)
        self.ids += ids
        self.at += range(at, at + len(ids))
        self.first.append(len(self.ids))
        self.tables.append(table)
        self.adapters.append(adapter)
        self.sources.append(source)
        self.wanted += range(here + wanted.start, here + wanted.stop)


class Runner(Protocol):
    """A decoder with its cache. Keys and values of a step's tokens are kept before any of its tokens looks at them, so
    that sequences of one step may share blocks which that step itself fills."""

    blocks: int
    """How many blocks there are."""
    exact: bool
    """Whether a token's result is the same to the bit in any batch."""
    device: torch.device
    adapters: Adapters | None
    """What requests may name beside the model."""

    @property
    def config(self) -> Config:
        """The network's shape."""
        ...

    @property
    def model(self) -> Network:
        """The network in PyTorch."""
        ...

    def logits(self, step: Step) -> Tensor:
        """Scores of the next token after each wanted one, float32 [W, V]. They hold until the next call."""
        ...

    def hidden(self, step: Step) -> Tensor:
        """Last hidden states of the wanted tokens, [W, D]."""
        ...

    def head(self, hidden_WD: Tensor) -> Tensor:
        """Scores [W, V], float32, from hidden states. They hold until the next call."""
        ...


def blocks_for(tokens: int) -> int:
    """Blocks that so many positions take."""
    return -(-tokens // BLOCK)


def vocabulary(config: Config) -> int:
    """Tokens that may be written."""
    return config.decoder_vocab_size if isinstance(config, Seq2SeqConfig) else config.vocab_size
