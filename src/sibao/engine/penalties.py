"""What a request's settings change about its logits: bias, penalties, min_tokens; for all rows of a step at once.

Each request keeps which tokens it has seen, so that a step costs what its new tokens cost, not the whole text again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sibao.core.errors import BadInput
from sibao.core.types import Sampling
from sibao.engine.filters import NEVER
from sibao.engine.request import Request


def uses_penalties(sampling: Sampling) -> bool:
    """Whether what was said before changes what comes."""
    return sampling.repetition_penalty != 1 or sampling.presence_penalty != 0 or sampling.frequency_penalty != 0


class Seen:
    """The tokens of one request, each once, with how often the answer holds it (0: only the prompt does).

    Args:
        vocab: ids from here on have no logit and are left out. prompt: whether the prompt's tokens count.
    """

    def __init__(self, request: Request, vocab: int) -> None:
        self._vocab = vocab
        ids = np.unique(request.prompt_ids if request.sampling.repetition_penalty != 1 else []).astype(np.int64)
        self._prompt = ids[ids < vocab]
        self._begin()

    def _begin(self) -> None:
        self._ids = self._prompt.copy()
        self._counts = np.zeros(len(self._ids), dtype=np.float32)
        self._place = {int(token): place for place, token in enumerate(self._prompt)}
        self._answer: list[int] = []

    def read(self, answer: list[int]) -> None:
        """Take over the answer so far; it may also have become shorter, or another."""
        known = len(self._answer)
        if answer[:known] != self._answer:
            self._begin()
            known = 0
        for token in answer[known:]:
            if token < self._vocab:
                place = self._place.setdefault(token, len(self._place))
                if place >= len(self._ids):
                    self._grow()
                self._ids[place] = token
                self._counts[place] += 1
            self._answer.append(token)

    def _grow(self) -> None:
        more = len(self._ids) + 64
        self._ids = np.concatenate([self._ids, np.zeros(more, dtype=np.int64)])
        self._counts = np.concatenate([self._counts, np.zeros(more, dtype=np.float32)])

    @property
    def ids(self) -> np.ndarray:
        """int64 [n]."""
        return self._ids[: len(self._place)]

    @property
    def counts(self) -> np.ndarray:
        """float32 [n]."""
        return self._counts[: len(self._place)]


@dataclass(frozen=True)
class Penalised:
    """A row whose tokens so far count."""

    row: int
    seen: Seen
    sampling: Sampling


def penalise(logits_BV: Tensor, rows: Sequence[Penalised]) -> None:
    """Repetition, frequency and presence penalty, in place.

    Repetition (CTRL, Keskar et al. 2019, arXiv 1909.05858, section 4.1) as in Transformers: positive logits are divided by
    the penalty, negative ones multiplied; the prompt counts. Frequency and presence as OpenAI defines them: of a token that
    the answer holds c times, ``c * frequency + presence`` is taken off.
    """
    vocab = logits_BV.shape[-1]
    sizes = [len(r.seen.ids) for r in rows]
    places = np.concatenate([r.row * vocab + r.seen.ids for r in rows])
    counts = np.concatenate([r.seen.counts for r in rows])

    def spread(name: str) -> np.ndarray:
        return np.repeat(np.array([getattr(r.sampling, name) for r in rows], dtype=np.float32), sizes)

    less = counts * spread("frequency_penalty") + (counts > 0) * spread("presence_penalty")
    at, less_N, factor_N = (
        torch.from_numpy(a).to(logits_BV.device) for a in (places, less, spread("repetition_penalty"))
    )
    flat = logits_BV.view(-1)
    old_N = flat[at]
    flat[at] = torch.where(old_N < 0, old_N * factor_N, old_N / factor_N) - less_N


def add_bias(logits_BV: Tensor, rows: Sequence[tuple[int, Sampling]]) -> None:
    """Add each row's ``logit_bias``, in place (OpenAI's ``logit_bias``, Transformers' ``sequence_bias`` of one token)."""
    vocab = logits_BV.shape[-1]
    at = torch.tensor([row * vocab + token for row, s in rows for token, _ in s.logit_bias], device=logits_BV.device)
    more = torch.tensor([value for _, s in rows for _, value in s.logit_bias], device=logits_BV.device)
    logits_BV.view(-1)[at] += more


def check_bias(sampling: Sampling, vocab: int) -> None:
    """Refuse a bias on a token that has no logit.

    Raises:
        BadInput: names the token and the vocabulary's size.
    """
    for token, _ in sampling.logit_bias:
        if token >= vocab:
            raise BadInput(
                f"logit_bias names the token {token}, the model knows 0 to {vocab - 1}",
                hint="take the ids from this model's own tokenizer",
            )


def forbid(logits_BV: Tensor, rows: Sequence[tuple[int, frozenset[int]]]) -> None:
    """Tokens that may not come, in place."""
    vocab = logits_BV.shape[-1]
    at = [row * vocab + token for row, tokens in rows for token in tokens if token < vocab]
    logits_BV.view(-1)[torch.tensor(at, dtype=torch.long, device=logits_BV.device)] = NEVER
