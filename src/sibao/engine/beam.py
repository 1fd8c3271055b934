"""Beam search of one request: which of its texts go on, and which of those that ended are the best. The same texts as
Transformers' ``generate`` finds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sibao.engine.search import Search


@dataclass(frozen=True)
class Found:
    """One text: new token ids (the end included, if it has one), its score, and whether it ended by itself."""

    ids: tuple[int, ...]
    score: float
    ended: bool


@dataclass(frozen=True)
class _Candidate:
    """A running text (its number) with one token more, and the log-probability of all of it."""

    score: float
    text: int
    token: int


class Beams:
    """The running texts and the finished ones, both sorted by score, best first.

    At first there is one running text, and it is empty.
    """

    def __init__(self, search: Search) -> None:
        self.search = search
        self.texts: list[tuple[int, ...]] = [()]
        self.scores = [0.0]
        self.finished: list[Found] = []
        self.improving, self.done = True, False
        self._ends = frozenset(search.eos_ids)

    @property
    def candidates(self) -> int:
        """How many are compared: so many that all beams can go on even if each of the best ones has ended."""
        return max(2, 1 + len(self._ends)) * self.search.beams

    def advance(self, scores: list[list[float]], tokens: list[list[int]]) -> list[tuple[int, int]]:
        """One token more for every text.

        Args:
            scores, tokens: for each running text the log-probabilities and ids of its ``candidates`` likeliest next
                tokens, best first.

        Returns:
            What runs now: the number of the text that it was before, and its new token. Empty when the search is done.
        """
        candidates = self._best(scores, tokens)
        length = len(self.texts[0]) + 1
        over = [c.token in self._ends or length >= self.search.max_tokens for c in candidates]
        self._finish([c for c, ends in zip(candidates[: self.search.beams], over, strict=False) if ends])
        going = [c for c, ends in zip(candidates, over, strict=True) if not ends][: self.search.beams]
        self.texts = [(*self.texts[c.text], c.token) for c in going]
        self.scores = [c.score for c in going]
        self._judge(length)
        return [] if self.done else [(c.text, c.token) for c in going]

    def _best(self, scores: list[list[float]], tokens: list[list[int]]) -> list[_Candidate]:
        found = [
            _Candidate(before + score, text, token)
            for text, before in enumerate(self.scores)
            for score, token in zip(scores[text], tokens[text], strict=True)
            if score > -math.inf
        ]
        return sorted(found, key=lambda c: -c.score)[: self.candidates]

    def _finish(self, ended: list[_Candidate]) -> None:
        """Texts that ended among the best are compared, at their score per length, with those finished before."""
        s = self.search
        if not self.improving or (self._full and s.early_stopping is True):
            return
        for c in ended:
            ids = (*self.texts[c.text], c.token)
            self.finished.append(Found(ids, c.score / len(ids) ** s.length_penalty, c.token in self._ends))
        self.finished = sorted(self.finished, key=lambda text: -text.score)[: s.beams]

    @property
    def _full(self) -> bool:
        return len(self.finished) == self.search.beams

    def _judge(self, length: int) -> None:
        """Whether something better may still be found."""
        s = self.search
        if not self.scores:
            self.done = True
            return
        longest = s.max_tokens if s.early_stopping == "never" and s.length_penalty > 0 else length
        if self._full:
            self.improving &= self.scores[0] / longest**s.length_penalty > self.finished[-1].score
        self.done = not self.improving or (self._full and s.early_stopping is True)

    @property
    def best(self) -> list[Found]:
        """The best finished texts, as many as were asked for; fewer, or none, where every token was forbidden before so
        many could end."""
        return self.finished[: self.search.best]
