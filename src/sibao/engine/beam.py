"""Beam search over any model that takes one token at a time; the same texts as Transformers' ``generate`` finds.

Letters: R prompts, B beams of each, N = R · B rows, V vocabulary, M most new tokens, C candidates of each prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sibao.engine.search import Search

NEVER = -1.0e9
"""Added to the score of what may not be chosen: low enough to lose, finite so that sums stay numbers."""


class Steps(Protocol):
    """A model with prompts in it."""

    def first(self, copies: int) -> Tensor:
        """Read the prompts; logits [R * copies, V] of the first new token, neighbours being copies of one prompt."""
        ...

    def next(self, tokens_N: Tensor, parents_N: Tensor) -> Tensor:
        """Logits [N, V] after row i went on from row ``parents[i]`` with ``tokens[i]``; parents share the prompt."""
        ...


@dataclass(frozen=True)
class Found:
    """One text: new token ids (the end included, if it has one), its score, and whether it ended by itself."""

    ids: tuple[int, ...]
    score: float
    ended: bool


@torch.inference_mode()
def beam_search(steps: Steps, prompts: Sequence[Sequence[int]], search: Search) -> list[Found]:
    """The best text after each prompt.

    Args:
        prompts: what counts as written already when repetitions are looked for (for an encoder-decoder: the start).
    """
    logits, beams = steps.first(search.beams).float(), None
    while True:
        beams = beams or Beams(len(prompts), search, logits.device)
        texts = [[*prompts[row // search.beams], *ids] for row, ids in enumerate(beams.texts())]
        beams.advance(search.changed(logits.log_softmax(-1), texts, beams.length))
        if beams.done:
            return beams.best()
        logits = steps.next(beams.running[:, :, beams.length - 1].flatten(), beams.parents).float()


class Beams:
    """The running texts of each prompt and the finished ones, both sorted by score, best first."""

    def __init__(self, prompts: int, search: Search, device: torch.device) -> None:
        R, B, M = prompts, search.beams, search.max_tokens
        self.search, self.length, self.done = search, 0, False
        self.running = torch.zeros(R, B, M, dtype=torch.long, device=device)
        self.scores = torch.full((R, B), NEVER, device=device)
        self.scores[:, 0] = 0.0  # all beams start alike: only one may go on, or they would stay alike
        self.parents = torch.arange(R * B, device=device)
        self.finished = torch.zeros_like(self.running)
        self.finished_scores = torch.full((R, B), NEVER, device=device)
        self.finished_lengths = torch.zeros(R, B, dtype=torch.long, device=device)
        self.filled = torch.zeros(R, B, dtype=torch.bool, device=device)
        self.improving = torch.ones(R, 1, dtype=torch.bool, device=device)
        self.ends = torch.tensor(search.eos_ids, dtype=torch.long, device=device)

    def texts(self) -> list[list[int]]:
        """What each running text holds so far, N lists."""
        ids: list[list[int]] = self.running[:, :, : self.length].flatten(0, 1).tolist()
        return ids

    def advance(self, scores_NV: Tensor) -> None:
        """One token more for every beam, given the log-probabilities of the next one."""
        R, B, _ = self.running.shape
        V = scores_NV.shape[-1]
        total = (scores_NV.view(R, B, V) + self.scores[:, :, None]).view(R, B * V)
        # enough candidates that B go on even if all ends are among the best of every beam
        scores_RC, index_RC = total.topk(max(2, 1 + len(self.ends)) * B)
        from_RC, token_RC = index_RC // V, index_RC % V
        texts = self.running.gather(1, from_RC[:, :, None].expand(-1, -1, self.running.shape[2]))
        texts[:, :, self.length] = token_RC
        over = torch.isin(token_RC, self.ends) | (self.length + 1 >= self.search.max_tokens)
        self._finish(texts, scores_RC, over)
        self._go_on(texts, scores_RC, from_RC, over)
        self.length += 1
        self._judge(over)

    def _go_on(self, texts: Tensor, scores_RC: Tensor, from_RC: Tensor, over: Tensor) -> None:
        """The best B that are not over are the next running ones."""
        R, B, M = self.running.shape
        open_scores = scores_RC + over * NEVER
        best = open_scores.topk(B)[1]
        self.running = texts.gather(1, best[:, :, None].expand(-1, -1, M))
        self.scores = open_scores.gather(1, best)
        offset = torch.arange(R, device=best.device)[:, None] * B
        self.parents = (from_RC.gather(1, best) + offset).flatten()

    def _finish(self, texts: Tensor, scores_RC: Tensor, over: Tensor) -> None:
        """Texts that ended among the best B are compared, at their score per length, with those finished before."""
        B, length = self.running.shape[1], self.length + 1
        ended = over & (torch.arange(over.shape[1], device=over.device) < B)
        scores = scores_RC / length**self.search.length_penalty
        full = self.filled.all(-1, keepdim=True) & (self.search.early_stopping is True)
        scores = scores + full * NEVER + ~self.improving * NEVER + ~ended * NEVER
        best = torch.cat((self.finished_scores, scores), 1).topk(B)
        self.finished_scores, at = best
        M = texts.shape[2]
        self.finished = torch.cat((self.finished, texts), 1).gather(1, at[:, :, None].expand(-1, -1, M))
        lengths = torch.cat((self.finished_lengths, torch.full_like(over, length, dtype=torch.long)), 1)
        self.finished_lengths = lengths.gather(1, at)
        self.filled = torch.cat((self.filled, ended), 1).gather(1, at)

    def _judge(self, over: Tensor) -> None:
        """Whether any prompt may still find something better."""
        s = self.search
        longest = s.max_tokens if s.early_stopping == "never" and s.length_penalty > 0 else self.length
        possible = self.scores[:, :1] / longest**s.length_penalty
        worst = torch.where(self.filled, self.finished_scores.min(1, keepdim=True)[0], NEVER)
        self.improving = self.improving & (possible > worst).any(-1, keepdim=True)
        enough = bool(self.filled.all()) and s.early_stopping is True
        self.done = not bool(self.improving.any()) or enough or bool(over.all())

    def best(self) -> list[Found]:
        """The best finished text of each prompt."""
        out = []
        ends = set(self.search.eos_ids)
        for ids, length, score in zip(
            self.finished[:, 0].tolist(), self.finished_lengths[:, 0].tolist(), self.finished_scores[:, 0].tolist(),
            strict=True,
        ):  # fmt: skip
            text = tuple(ids[:length])
            out.append(Found(text, score, bool(text) and text[-1] in ends))
        return out
