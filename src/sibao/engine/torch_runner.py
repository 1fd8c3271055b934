"""A decoder as the engine's network, on PyTorch's own operators: any device, any precision, nothing to compile."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sibao.engine.adapters import Adapters
from sibao.engine.graphs import Capture, DecodeGraphs, Recorder, why_eager
from sibao.engine.paged import BlockView, PagedCache, PagedView
from sibao.engine.runner import BLOCK, Step, blocks_for
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder
from sibao.nn.moe import ExpertMLP


class TorchRunner:
    """The decoder as PyTorch computes it, on any device and in the precision of its weights.

    As it is, sequences with the same number of new tokens go through the network together. Matrix products of other shapes
    round differently, so where two tokens' scores differ by rounding alone, which comes next may differ between a request
    alone and in a batch, between a prompt read at once and in pieces, and after a request gave way and was read again.

    ``deterministic``: none of that changes a bit. Each sequence is computed by itself, always a whole block of positions
    at once and in the row that its position gives it; what its other rows hold changes nothing, for no operation mixes
    rows but attention, and that behind a mask. So a token's result comes from shapes that its position alone decides. It
    holds on one machine with one number of threads, and costs the work of a block for every token.

    One new token of each of several sequences, on a GPU, is a recorded graph of which there are few shapes
    (``engine.graphs``); what cannot be recorded, and all else, runs operator by operator.

    Args:
        dtype: of keys and values; None: as the weights. adapters: that requests may name.
        deterministic: see above.
        capture: records such steps; None: on a GPU ``graphs.Recorder``, elsewhere nothing does.
    """

    def __init__(
        self,
        model: Decoder,
        blocks: int,
        dtype: torch.dtype | None = None,
        adapters: Adapters | None = None,
        deterministic: bool = False,
        capture: Capture | None = None,
    ) -> None:
        weight = next(model.parameters())
        self.model, self.config, self.blocks, self.device = model.eval(), model.config, blocks, weight.device
        self.adapters, self.exact = adapters, deterministic
        self._states = weight.dtype
        self._cache = PagedCache(model.config, blocks, BLOCK, dtype or weight.dtype, weight.device)
        if deterministic:
            for layer in model.modules():
                if isinstance(layer, ExpertMLP):
                    layer.whole = True
        elif capture is None and weight.device.type == "cuda" and not why_eager(model):
            capture = Recorder(weight.device)
        self._graphs = None if deterministic or capture is None else DecodeGraphs(model, self._cache, capture)

    @staticmethod
    def block_bytes(config: DecoderConfig, itemsize: int) -> int:
        """Memory of one block in all layers."""
        return 2 * config.num_hidden_layers * config.key_size * BLOCK * itemsize

    def logits(self, step: Step) -> Tensor:
        """See ``Runner``."""
        return self.head(self.hidden(step))

    def head(self, hidden_WD: Tensor) -> Tensor:
        """See ``Runner``."""
        if not self.exact:
            return self.model.logits(hidden_WD)
        # each row alone, and in memory of its own: how a product is computed may depend on where its input begins
        return torch.cat([self.model.logits(row.clone()) for row in hidden_WD.split(1)])

    def hidden(self, step: Step) -> Tensor:
        """See ``Runner``."""
        self._cache.copy(step.copies)
        self._cache.clear(_begun(step))
        found = torch.empty(len(step.ids), self.config.hidden_size, dtype=self._states, device=self.device)
        for sequences in [[s] for s in range(len(step.tables))] if self.exact else _alike(step):
            model = step.adapters[sequences[0]] or self.model
            places = [range(step.first[s], step.first[s + 1]) for s in sequences]
            if self.exact:
                states = [self._alone(model, step, places[0], step.tables[sequences[0]])]
            else:
                states = list(self._together(model, step, places, [step.tables[s] for s in sequences]))
            for place, row in zip(places, states, strict=True):
                found[place.start : place.stop] = row
        return found[torch.tensor(step.wanted, dtype=torch.long, device=self.device)]

    def _together(
        self, model: Decoder, step: Step, places: list[range], tables: Sequence[Sequence[int]]
    ) -> Tensor | list[Tensor]:
        """Hidden states [R, T, D] of sequences with equally many new tokens."""
        if self._graphs is not None and model is self.model and len(places[0]) == 1:
            rows = [(step.ids[p.start], step.at[p.start], table) for p, table in zip(places, tables, strict=True)]
            return self._graphs.read(rows)[:, None]
        width = max(blocks_for(step.at[place[-1]] + 1) for place in places)
        empty = self._cache.empty
        cut = [[*list(table)[:width], *[empty] * (width - len(table))] for table in tables]
        ids, at, blocks = (
            torch.tensor(rows, device=self.device)
            for rows in ([step.ids[p.start : p.stop] for p in places], [step.at[p.start : p.stop] for p in places], cut)
        )
        states: Tensor = model(ids, at, PagedView(self._cache, blocks))
        return states

    def _alone(self, model: Decoder, step: Step, place: range, table: Sequence[int]) -> Tensor:
        """Hidden states [T, D] of one sequence's new tokens, block by block."""
        parts, start = [], place.start
        while start < place.stop:
            stop = min(place.stop, start + BLOCK - step.at[start] % BLOCK)
            ids, at = step.ids[start:stop], step.at[start]
            states = self._block(model, ids, at, table)
            if len(ids) > 1 and not bool(states.isfinite().all()):
                # a token for which the model gives no numbers is not hidden by a mask from those before it
                states = torch.cat([self._block(model, [token], at + i, table) for i, token in enumerate(ids)])
            parts.append(states)
            start = stop
        return torch.cat(parts)

    def _block(self, model: Decoder, ids: list[int], at: int, table: Sequence[int]) -> Tensor:
        """Hidden states [T, D] of tokens from position ``at`` on, all in one block, which is computed as a whole."""
        number, first = divmod(at, BLOCK)
        new = slice(first, first + len(ids))
        ids_1T = torch.zeros(1, BLOCK, dtype=torch.long)
        ids_1T[0, new] = torch.tensor(ids)
        # rows behind the last position that the model knows are never tokens
        last = self.config.max_position_embeddings - 1
        at_1T = torch.arange(number * BLOCK, (number + 1) * BLOCK).clamp(max=last)[None]
        blocks = torch.tensor([list(table[: number + 1])], device=self.device)
        view = BlockView(self._cache, blocks, new)
        states: Tensor = model(ids_1T.to(self.device), at_1T.to(self.device), view)
        return states[0, new]


def _begun(step: Step) -> list[int]:
    """Blocks of which this step fills the first position."""
    found = []
    for s, table in enumerate(step.tables):
        found += [table[at // BLOCK] for at in step.at[step.first[s] : step.first[s + 1]] if at % BLOCK == 0]
    return found


def _alike(step: Step) -> list[list[int]]:
    """Neighbouring sequences with equally many new tokens and the same adapter.

    Their order is kept, for a later one may read what an earlier one keeps.
    """
    groups: list[list[int]] = []
    before: tuple[int, Decoder | None] | None = None
    for s in range(len(step.tables)):
        kind = step.first[s + 1] - step.first[s], step.adapters[s]
        if kind == before:
            groups[-1].append(s)
        else:
            groups.append([s])
        before = kind
    return groups
