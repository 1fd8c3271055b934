"""Models that take one token at a time: what beam search and the plain loop drive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sibao.core.errors import BadInput, ModelError
from sibao.core.types import Sampling
from sibao.engine import sampling as chance
from sibao.engine.beam import Steps
from sibao.engine.request import TokenScore
from sibao.engine.search import Search
from sibao.nn.cache import KVCache
from sibao.nn.decoder import Decoder
from sibao.nn.seq2seq import Seq2Seq
from sibao.nn.seq2seq_cache import Seq2SeqCache


def padded(rows: Sequence[Sequence[int]], fill: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids [R, S] filled up on the right, and where real ones stand (bool)."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows], device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return ids, torch.arange(width, device=device)[None] < lengths[:, None]


class DecoderSteps:
    """Prompts that a decoder goes on from."""

    def __init__(self, model: Decoder, prompts: Sequence[Sequence[int]], max_tokens: int) -> None:
        self.model, self.prompts, self.max_tokens = model, prompts, max_tokens
        self.cache: KVCache
        self.positions: Tensor

    def first(self, copies: int) -> Tensor:
        """See ``engine.beam.Steps``."""
        weight = next(self.model.parameters())
        ids, mask = padded(self.prompts, 0, weight.device)
        rows = torch.arange(len(ids), device=weight.device)
        length = ids.shape[1] + self.max_tokens
        self.cache = KVCache(self.model.config, len(ids) * copies, length, weight.dtype, weight.device)
        # the padding of a shorter prompt lies ahead of all its tokens, and is overwritten by those to come
        hidden = self.model(ids, cache=self.cache.view(rows * copies, ids.shape[1]))
        self.positions = mask.sum(1).repeat_interleave(copies)
        self._reorder((rows * copies).repeat_interleave(copies))
        return self.model.logits(hidden[rows, mask.sum(1) - 1]).repeat_interleave(copies, 0)

    def next(self, tokens_N: Tensor, parents_N: Tensor) -> Tensor:
        """See ``engine.beam.Steps``."""
        self._reorder(parents_N)
        view = self.cache.view(None, int(self.positions.max()) + 1)
        hidden = self.model(tokens_N[:, None], self.positions[:, None], cache=view)
        self.positions = self.positions + 1
        return self.model.logits(hidden[:, 0])

    def _reorder(self, parents_N: Tensor) -> None:
        if not torch.equal(parents_N, torch.arange(len(parents_N), device=parents_N.device)):
            self.cache.keys.copy_(self.cache.keys[:, parents_N])
            self.cache.values.copy_(self.cache.values[:, parents_N])


class SourceSteps:
    """Sources that an encoder-decoder answers."""

    def __init__(self, model: Seq2Seq, sources: Sequence[Sequence[int]], max_tokens: int) -> None:
        self.model, self.sources, self.max_tokens = model, sources, max_tokens
        self.cache: Seq2SeqCache

    def first(self, copies: int) -> Tensor:
        """See ``engine.beam.Steps``."""
        config, device = self.model.config, next(self.model.parameters()).device
        ids, mask = padded(self.sources, config.pad_token_id, device)
        self.cache = self.model.start(self.model.encode(ids, mask), mask, copies, self.max_tokens)
        start = torch.full((len(ids) * copies,), config.decoder_start_token_id, device=device)
        return self.model.logits(self.model.step(start, self.cache))

    def next(self, tokens_N: Tensor, parents_N: Tensor) -> Tensor:
        """See ``engine.beam.Steps``."""
        self.cache.reorder(parents_N)
        return self.model.logits(self.model.step(tokens_N, self.cache))


Written = tuple[int, TokenScore | None]
"""A new token, and its log-probability where that was asked for."""


@torch.inference_mode()
def write(
    steps: Steps, prompts: Sequence[Sequence[int]], search: Search, sampling: Sampling
) -> Iterator[list[Written | None]]:
    """Greedy or drawn tokens, one for each prompt at a time; None for a text that has ended.

    Each text has a generator of its own, so its tokens are the same alone and beside others.

    Raises:
        ModelError: the model gives no numbers. BadInput: no token is allowed.
    """
    generators = [chance.make_generator(sampling.seed) for _ in prompts]
    texts, open_rows = [list(prompt) for prompt in prompts], set(range(len(prompts)))
    logits = steps.first(1).float()
    same = torch.arange(len(prompts), device=logits.device)
    for new in range(search.max_tokens):
        ready = search.changed(logits, texts, new)
        chosen = chance.choose(ready, [sampling] * len(prompts), generators)
        for row in open_rows:
            if isinstance(error := chosen[row], ModelError | BadInput):
                raise error
        tokens = [token if isinstance(token, int) else 0 for token in chosen]
        yield [_written(logits[row], tokens[row], sampling) if row in open_rows else None for row in range(len(texts))]
        open_rows = {row for row in open_rows if tokens[row] not in search.eos_ids}
        if not open_rows or new + 1 == search.max_tokens:
            return
        for text, token in zip(texts, tokens, strict=True):
            text.append(token)
        logits = steps.next(torch.tensor(tokens, device=logits.device), same).float()


def _written(logits_V: Tensor, token: int, sampling: Sampling) -> Written:
    wanted = sampling.logprobs
    return token, None if wanted is None else chance.token_score(logits_V, token, wanted)
