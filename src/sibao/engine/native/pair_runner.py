"""An encoder-decoder on the kernels: a source is read in one call, and a step of all answers is one as for a decoder."""

from __future__ import annotations

import torch
from torch import Tensor

from sibao.engine.native.library import library
from sibao.engine.native.pair_weights import PairWeights
from sibao.engine.native.panels import ALIGNED, aligned
from sibao.engine.native.runner import KV_PRECISIONS, NativeRunner, Sent, filled_up, head_bytes, kv_precision, widest
from sibao.engine.runner import Source, Step, blocks_for


class NativePairRunner(NativeRunner):
    """Implements ``engine.runner.Runner``: see ``NativeRunner``.

    While a source is read, keys and values of one layer of the encoder at a time lie in memory of their own; what the
    decoder looks at goes to the source's blocks in every layer of the cache.
    """

    weights: PairWeights
    _scratch = torch.empty(0, dtype=torch.uint8)

    def _look_across(self, step: Step, sent: Sent) -> None:
        """See ``NativeRunner``: the sources, those that were not read before included."""
        if step.reads:
            self._read(step.reads)
        sources = [source for source in step.sources if source is not None]
        tables = [source.table for source in sources]
        sent.batch.source_width = widest(tables)
        sent.point("source_blocks", filled_up(tables))
        sent.point("source_length", [len(source.ids) for source in sources])

    def _read(self, sources: list[Source]) -> None:
        lengths = [len(source.ids) for source in sources]
        at = [place for length in lengths for place in range(length)]
        first = [sum(lengths[:i]) for i in range(len(lengths) + 1)]
        ids = [token for source in sources for token in source.ids]
        memory = torch.empty(len(ids), self.config.hidden_size)
        self._encode(Sent(ids, at, first, self._scratch_for(lengths), range(len(ids))), lengths, memory)
        kept = Sent(ids, at, first, [source.table for source in sources], ())
        library().sibao_remember(self.weights.model, kept.batch, memory.data_ptr(), self._work, self.threads)

    def _encode(self, sent: Sent, lengths: list[int], memory: Tensor) -> None:
        sent.batch.hidden = memory.data_ptr()
        sent.point("sees", [length - 1 for length in lengths for _ in range(length)])
        library().sibao_forward(self.weights.source_model, sent.batch, self._work, self.threads)

    def _scratch_for(self, lengths: list[int]) -> list[range]:
        """Tables for sequences of the encoder."""
        config, model = self.weights.config, self.weights.source_model
        kept = kv_precision("auto", self.weights.precision)
        model.cache_kind, model.block_bytes = (
            KV_PRECISIONS.index(kept),
            config.encoder_heads * head_bytes(config.head_dim, kept),
        )
        tables, begun = list[range](), 0
        for count in map(blocks_for, lengths):
            tables.append(range(begun, begun + count))
            begun += count
        if len(self._scratch) < begun * model.block_bytes:
            self._scratch = aligned(begun * model.block_bytes + ALIGNED)
            for layer in self.weights.source_layers:
                layer.cache = self._scratch.data_ptr()
        return tables
