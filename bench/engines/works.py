"""The work that engines are timed at. Every engine gets the same inputs, drawn anew for each run: no cache of earlier
prompts can help, and what none but Sibao checks (equal tokens) is checked before the clock runs.

Decoding is the time of 1 + N new tokens less that of 1 new token after the same number of prompt tokens: so counted,
it is the same for engines that tell of each token and those that give all at the end.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engines.client import Client
from engines.rows import four_choices, passages

Asked = dict[str, Any]
FIRST = 600
"""Ids below are control tokens and single bytes."""


@dataclass(frozen=True)
class Scale:
    """How much is done. ``seconds``: a sample repeats its work at least so long, for the clock of the kernel is coarse."""

    samples: int = 3
    seconds: float = 1.5
    tries: int = 4
    patience: float = 60.0
    new: int = 64
    prompt: int = 128
    rows: int = 200
    sources: int = 32
    tasks: int = 16


QUICK = Scale(samples=1, seconds=0.0, tries=1, patience=0.0, new=8, prompt=32, rows=8, sources=4, tasks=2)
"""Shows that everything works; its figures mean nothing."""


class Draws:
    """Random prompts of one engine: the same sequence for each."""

    def __init__(self, vocab: int, seed: int = 0) -> None:
        self.vocab, self.random = vocab, random.Random(seed)

    def prompts(self, count: int, length: int) -> list[list[int]]:
        """``count`` prompts of ``length`` ids."""
        return [[self.random.randrange(FIRST, self.vocab - 10) for _ in range(length)] for _ in range(count)]

    def sources(self, count: int) -> list[list[int]]:
        """Sources of 16 to 40 ids, as sentences are."""
        return [self.prompts(1, self.random.randint(16, 40))[0] for _ in range(count)]


class Work(ABC):
    """One line of the table for each form of the weights."""

    name: ClassVar[str]
    unit: ClassVar[str] = "tokens/s"
    op: ClassVar[str] = "generate"

    @property
    @abstractmethod
    def title(self) -> str:
        """In the table."""

    @abstractmethod
    def inputs(self, scale: Scale, draws: Draws) -> Asked:
        """What one run is asked."""

    @abstractmethod
    def amount(self, asked: Asked, answer: Asked) -> float:
        """Units that a run did."""

    def rows(self, scale: Scale) -> int:
        """Rows that go through the model together, for the limit; 0 where no simple limit holds."""
        return 0

    def warm(self, client: Client, scale: Scale, draws: Draws) -> Asked:
        """The answer to the work itself, not counted; of many rows, a few."""
        return client.ask(self.op, **self.inputs(replace(scale, rows=min(scale.rows, 16)), draws))

    def check(self, scale: Scale, draws: Draws) -> Asked:
        """What Sibao's own check is asked."""
        return self.inputs(scale, draws)

    def run(self, client: Client, scale: Scale, draws: Draws) -> float:
        """Units a second, over at least ``scale.seconds``."""
        seconds = amount = 0.0
        while not amount or seconds < scale.seconds:
            asked = self.inputs(scale, draws)
            answer = client.ask(self.op, **asked)
            seconds, amount = seconds + answer["seconds"], amount + self.amount(asked, answer)
        return amount / seconds


@dataclass(frozen=True)
class Decode(Work):
    """Writing after a prompt of 128 tokens."""

    streams: int

    @property
    def name(self) -> str:  # type: ignore[override]
        """One work for each number of streams."""
        return f"decode-{self.streams}"

    @property
    def title(self) -> str:
        """In the table."""
        return "one stream" if self.streams == 1 else f"{self.streams} at once"

    def rows(self, scale: Scale) -> int:
        """One for each stream."""
        return self.streams

    def inputs(self, scale: Scale, draws: Draws) -> Asked:
        """Prompts of one length."""
        return {"prompts": draws.prompts(self.streams, scale.prompt), "new": 1 + scale.new}

    def amount(self, asked: Asked, answer: Asked) -> float:
        """New tokens but the first of each."""
        return float(sum(len(row) - 1 for row in answer["tokens"]))

    def run(self, client: Client, scale: Scale, draws: Draws) -> float:
        """See the module."""
        seconds = amount = whole = 0.0
        while seconds <= 0 or whole < scale.seconds:
            first = client.ask(self.op, **(self.inputs(scale, draws) | {"new": 1}))
            asked = self.inputs(scale, draws)
            answer = client.ask(self.op, **asked)
            whole += answer["seconds"]
            seconds, amount = seconds + answer["seconds"] - first["seconds"], amount + self.amount(asked, answer)
        return amount / seconds


@dataclass(frozen=True)
class Prompt(Work):
    """Reading a long prompt, up to its first new token."""

    length: int
    name: ClassVar[str] = "prompt"

    @property
    def title(self) -> str:
        """In the table."""
        return f"prompt of {self.length}"

    def rows(self, scale: Scale) -> int:
        """All its tokens."""
        return self.length

    def inputs(self, scale: Scale, draws: Draws) -> Asked:
        """One prompt."""
        return {"prompts": draws.prompts(1, self.length), "new": 1}

    def amount(self, asked: Asked, answer: Asked) -> float:
        """Tokens read."""
        return float(self.length)


@dataclass(frozen=True)
class Translate(Work):
    """A batch of sentences with beams; texts of random weights do not end, so all are as long."""

    beams: int = 4
    name: ClassVar[str] = "translate"
    op: ClassVar[str] = "translate"

    @property
    def title(self) -> str:
        """In the table."""
        return f"translation, 32 at once, {self.beams} beams"

    def inputs(self, scale: Scale, draws: Draws) -> Asked:
        """A batch."""
        return {"prompts": draws.sources(scale.sources), "new": scale.new, "beams": self.beams}

    def check(self, scale: Scale, draws: Draws) -> Asked:
        """A few sources: each is searched alone as well."""
        asked = self.inputs(scale, draws)
        return asked | {"prompts": asked["prompts"][:4]}

    def amount(self, asked: Asked, answer: Asked) -> float:
        """Tokens of the best texts."""
        return float(sum(len(row) for row in answer["tokens"]))


@dataclass(frozen=True)
class Score(Work):
    """Which of four disciplines is a paper from, by its title, after five examples: real rows."""

    name: ClassVar[str] = "score"
    unit: ClassVar[str] = "rows/s"
    op: ClassVar[str] = "score"

    @property
    def title(self) -> str:
        """In the table."""
        return "scoring four choices, five shots"

    def inputs(self, scale: Scale, draws: Draws) -> Asked:
        """The same rows after other examples each time."""
        return {"rows": four_choices(scale.rows, draws.random.randrange(2**31))}

    def check(self, scale: Scale, draws: Draws) -> Asked:
        """A few rows, each choice read by itself."""
        return {"rows": four_choices(4, 0)}

    def amount(self, asked: Asked, answer: Asked) -> float:
        """Rows."""
        return float(len(asked["rows"]))


@dataclass(frozen=True)
class Task(Work):
    """A task on real rows, one after the other: what speculation is for. As with ``Decode``, what counts comes after the
    first token; the notes say how fast it is with the prompts."""

    task: str
    op: ClassVar[str] = "task"

    @property
    def name(self) -> str:  # type: ignore[override]
        """One work for each task."""
        return self.task

    @property
    def title(self) -> str:
        """In the table."""
        return f"{self.task}, real rows"

    def inputs(self, scale: Scale, draws: Draws) -> Asked:
        """Other rows each time, until all had their turn."""
        rows = list(passages(self.task))
        chosen = [rows[i] for i in draws.random.sample(range(len(rows)), min(scale.tasks, len(rows)))]
        return {"name": self.task, "rows": chosen, "new": scale.new}

    def amount(self, asked: Asked, answer: Asked) -> float:
        """New tokens."""
        return float(answer["count"])
