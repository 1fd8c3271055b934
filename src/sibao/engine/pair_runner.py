"""An encoder-decoder as the engine's network: keys and values of sources and of answers lie in the same blocks."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import torch
from torch import Tensor

from sibao.engine.adapters import Adapters
from sibao.engine.runner import BLOCK, Source, Step
from sibao.nn.seq2seq import Seq2Seq
from sibao.nn.seq2seq_config import Seq2SeqConfig


def padded(rows: Sequence[Sequence[int]], fill: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids [R, S] filled up on the right, and where real ones stand (bool)."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows], device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return ids, torch.arange(width, device=device) < lengths[:, None]


class PairView:
    """Blocks as ``nn.seq2seq_layers.PairCache``: N answers, each with as many blocks as the longest, and their sources."""

    def __init__(self, cache: Tensor, tables_NB: Tensor, positions_NT: Tensor, sources_NB: Tensor, mask_NS: Tensor):
        self.cache, self.tables, self.sources = cache, tables_NB, sources_NB
        self.mask = mask_NS[:, None, None, :]
        self.places = tables_NB.gather(1, positions_NT // BLOCK), positions_NT % BLOCK

    def layer(self, number: int) -> PairLayerView:
        """See ``PairCache``."""
        return PairLayerView(self, self.cache[number])


class PairLayerView:
    """One layer's part."""

    def __init__(self, view: PairView, store: Tensor) -> None:
        self._view, self._store, self.mask = view, store, view.mask
        self.keys, self.values = (self._rows(part, view.sources) for part in store)

    def update(self, k_NHTE: Tensor, v_NHTE: Tensor) -> tuple[Tensor, Tensor]:
        """Keep new keys and values at their positions; all of the answers'."""
        blocks, slots = self._view.places
        for part, new in zip(self._store, (k_NHTE, v_NHTE), strict=True):
            part[blocks, :, slots] = new.transpose(1, 2).to(part.dtype)
        keys, values = (self._rows(part, self._view.tables) for part in self._store)
        return keys, values

    @staticmethod
    def _rows(part: Tensor, tables_NB: Tensor) -> Tensor:
        """[N, H, B * BLOCK, E]"""
        N, B = tables_NB.shape
        return part[tables_NB].transpose(1, 2).reshape(N, part.shape[1], B * BLOCK, -1)


class TorchPairRunner:
    """Implements ``engine.runner.Runner`` for encoder-decoders as PyTorch computes them."""

    exact = False
    adapters: Adapters | None = None

    def __init__(self, model: Seq2Seq, blocks: int) -> None:
        weight = next(model.parameters())
        self.model, self.blocks, self.device = model.eval(), blocks, weight.device
        c = model.config
        shape = (c.decoder_layers, 2, blocks, c.decoder_heads, BLOCK, c.head_dim)
        self._cache = torch.zeros(shape, dtype=weight.dtype, device=weight.device)

    @property
    def config(self) -> Seq2SeqConfig:
        """See ``Runner``."""
        return self.model.config

    @staticmethod
    def block_bytes(config: Seq2SeqConfig, itemsize: int) -> int:
        """Memory of one block in all layers."""
        return 2 * config.decoder_layers * config.decoder_heads * config.head_dim * BLOCK * itemsize

    def logits(self, step: Step) -> Tensor:
        """See ``Runner``."""
        return self.head(self.hidden(step))

    def head(self, hidden_WD: Tensor) -> Tensor:
        """See ``Runner``."""
        return self.model.logits(hidden_WD)

    def hidden(self, step: Step) -> Tensor:
        """See ``Runner``."""
        for old, new, count in step.copies:
            self._cache[:, :, new, :, :count] = self._cache[:, :, old, :, :count]
        if step.reads:
            self._read(step.reads)
        count = len(step.ids)
        found = torch.empty(count, self.config.hidden_size, dtype=self._cache.dtype, device=self.device)
        for width in {end - begin for begin, end in zip(step.first, step.first[1:], strict=False)}:
            sequences = [s for s in range(len(step.tables)) if step.first[s + 1] - step.first[s] == width]
            places = torch.tensor([list(range(step.first[s], step.first[s] + width)) for s in sequences])
            found[places.to(self.device)] = self._together(step, sequences, places)
        return found[torch.tensor(step.wanted, dtype=torch.long, device=self.device)]

    def _together(self, step: Step, sequences: list[int], places_NT: Tensor) -> Tensor:
        """Hidden states [N, T, D] of sequences with equally many new tokens."""
        ids, at = (torch.tensor(values)[places_NT].to(self.device) for values in (step.ids, step.at))
        sources = [source for s in sequences if (source := step.sources[s]) is not None]
        tables, _ = self._tables([step.tables[s] for s in sequences], int(at.max()) + 1)
        behind, lengths = self._tables([s.table for s in sources], 0, [len(s.ids) for s in sources])
        mask = torch.arange(behind.shape[1] * BLOCK, device=self.device) < lengths[:, None]
        keys = torch.arange(tables.shape[1] * BLOCK, device=self.device)
        return self.model.step(ids, at, PairView(self._cache, tables, at, behind, mask), keys)

    def _read(self, sources: list[Source]) -> None:
        """Read sources and keep the keys and values that the decoder looks at."""
        ids, mask = padded([source.ids for source in sources], self.config.pad_token_id, self.device)
        memory = self.model.encode(ids, mask)
        for number, layer in enumerate(self.model.decoder.parts):
            for part, rows in enumerate(layer.cross_keys_values(memory)):  # [R, H, S, E]
                for source, row in zip(sources, rows, strict=True):
                    for b, block in enumerate(source.table):
                        piece = row[:, b * BLOCK : min((b + 1) * BLOCK, len(source.ids))]
                        self._cache[number, part, block, :, : piece.shape[1]] = piece

    def _tables(
        self, tables: Sequence[Sequence[int] | array[int]], positions: int, lengths: Sequence[int] = ()
    ) -> tuple[Tensor, Tensor]:
        """Tables [N, B] filled up on the right, cut to what ``positions`` need, and the lengths [N]."""
        cut = [table[: -(-positions // BLOCK)] if positions else table for table in tables]
        width = max(map(len, cut))
        rows = [[*row, *[0] * (width - len(row))] for row in cut]
        return torch.tensor(rows, device=self.device), torch.tensor(lengths, device=self.device)
