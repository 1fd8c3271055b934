"""Tokens that probably come next, so that one step can read several (speculative decoding, arXiv 2211.17192).

The engine chooses each token from the model's own scores whether it was guessed or not, with the request's own random
numbers: a guess that is right saves a step, a wrong one costs its share of a step, and no answer changes. (For a guess
that is one token, choosing from p and comparing accepts it with probability p: algorithm 1 of the paper.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sibao.engine.job import Job

SIZES = (4, 3, 2, 1)
"""Lengths of the ends that are looked for, longest first. One token alone counts only where it stands once in the text: the
first word of an answer that is copied from a passage is often such a one."""
MOST = 12
"""Tokens guessed at most in a step."""


class Guesser(Protocol):
    """Who guesses."""

    def guess(self, jobs: Sequence[Job], most: int) -> Mapping[Job, Sequence[int]]:
        """At most ``most`` tokens that may follow each job's text."""
        ...

    def told(self, job: Job, guessed: int, right: int) -> None:
        """How many of the guessed tokens came."""
        ...

    def forget(self, job: Job) -> None:
        """A job has ended."""
        ...


class Lookups:
    """Prompt lookup for every job that it is asked for."""

    def __init__(self) -> None:
        self._of: dict[Job, PromptLookup] = {}

    def guess(self, jobs: Sequence[Job], most: int) -> dict[Job, list[int]]:
        """At most ``most`` tokens that may follow each job's text."""
        return {job: self._of.setdefault(job, PromptLookup()).guess(job.ids, most) for job in jobs}

    def told(self, job: Job, guessed: int, right: int) -> None:
        """How many of the guessed tokens came."""
        if job in self._of:
            self._of[job].told(guessed, right)

    def forget(self, job: Job) -> None:
        """A job has ended."""
        self._of.pop(job, None)


class PromptLookup:
    """Guesses that a text goes on as it did where it last had the same end (prompt lookup, Saxena 2023).

    Good where answers copy from their prompts: questions about passages, summaries, names in translations, code. How many
    tokens it guesses follows how often it was right.
    """

    def __init__(self) -> None:
        self._after: dict[tuple[int, ...], int] = {}
        self._often: set[int] = set()
        self._seen = 0
        self.length = MOST // 2

    def guess(self, ids: Sequence[int], most: int) -> list[int]:
        """At most ``most`` tokens that may follow ``ids``; a text given earlier with more at its end."""
        self._learn(ids)
        for size in SIZES:
            place = self._after.get(tuple(ids[-size:])) if len(ids) > size else None
            if place is not None and (size > 1 or ids[-1] not in self._often):
                return list(ids[place : place + min(most, self.length)])
        return []

    def told(self, guessed: int, right: int) -> None:
        """How a guess went: all of it right, and the next may be longer; else as long as what was right."""
        if guessed:
            self.length = longer(self.length, guessed, right)

    def _learn(self, ids: Sequence[int]) -> None:
        """Where each sequence of tokens was last followed by something; the text's own end is not, yet."""
        for end in range(max(1, self._seen), len(ids)):
            if (ids[end - 1],) in self._after:
                self._often.add(ids[end - 1])
            for size in SIZES:
                if end >= size:
                    self._after[tuple(ids[end - size : end])] = end
        self._seen = len(ids)


def longer(length: int, guessed: int, right: int) -> int:
    """How many tokens to guess after a guess of ``length``: twice as many where all were right."""
    return min(MOST, 2 * length) if right == guessed else max(1, (length + right) // 2)
