"""A request on its way through the engine, the texts of one that is searched, and what one step reads of it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sibao.engine.adapters import Adapter
from sibao.engine.beam import Beams
from sibao.engine.blocks import Root
from sibao.engine.request import Event, Request, SequenceScore
from sibao.engine.runner import Source
from sibao.engine.scoring import Likelihood
from sibao.engine.search import Search

if TYPE_CHECKING:
    import torch


@dataclass(eq=False)
class Job:
    """A request on its way: its tokens so far (prompt and answer) and its part of the cache.

    ``read`` tokens of ``ids`` have their keys and values in the blocks of ``table``; ``full`` of these blocks are full
    and remembered. ``reused``: tokens of the prompt that were known when it first began. ``turn``: when its group of
    requests has its turn (``Scheduler.add``).
    """

    request: Request
    generator: torch.Generator
    adapter: Adapter | None = None
    ids: list[int] = field(default_factory=list)
    read: int = 0
    table: array[int] = field(default_factory=lambda: array("i"))
    full: int = 0
    turn: int = 0
    arrival: int = 0
    reused: int = 0
    found: list[Likelihood] = field(default_factory=list)
    source: Source | None = None
    group: Group | None = None

    def __post_init__(self) -> None:
        self.ids = self.ids or list(self.request.reading)

    @property
    def texts(self) -> list[Job]:
        """All texts of its request."""
        return [self] if self.group is None else self.group.jobs

    @property
    def rows(self) -> int:
        """How many texts this one stands for: all beams, until they part."""
        return self.request.texts // len(self.texts) if self.request.max_tokens else 0

    @property
    def answered(self) -> int:
        """New tokens so far."""
        return len(self.ids) - len(self.request.prompt_ids)

    @property
    def unread(self) -> int:
        """Tokens whose keys and values are still to be made."""
        return len(self.ids) - self.read

    @property
    def urgency(self) -> tuple[int, int, int]:
        """Smaller runs earlier: by priority, then by the turn of its group, then by arrival."""
        return -self.request.priority, self.turn, self.arrival

    @property
    def shareable(self) -> list[int]:
        """Tokens whose results are not asked for, so that it is enough to know their keys and values."""
        return self.ids[: self.request.score_from]

    def scored(self) -> SequenceScore | None:
        """What was asked for by ``score_from``, once the prompt is read."""
        if self.request.score_from is None:
            return None
        wanted = self.request.sampling.logprobs
        tops = () if wanted is None else tuple(one.top[:wanted] for one in self.found)
        return SequenceScore(tuple(one.logprob for one in self.found), tuple(one.greedy for one in self.found), tops)

    @property
    def root(self) -> Root:
        """What its blocks can be shared within."""
        return (self.adapter, self.request.source_ids)


class Group:
    """The texts of one request that are searched together; ``jobs`` are those that ``beams.texts`` names, in its order."""

    def __init__(self, job: Job, search: Search) -> None:
        self.jobs, self.beams = [job], Beams(search)

    def event(self) -> Event:
        """The search's end: its best text and the next best ones, each without the token that ended it."""
        name = self.jobs[0].request.id
        told = [
            Event(
                name, one.ids[: len(one.ids) - one.ended], finish_reason="stop" if one.ended else "length",
                search_score=one.score,
            )
            for one in self.beams.best
        ]  # fmt: skip
        if not told:
            return Event(name, finish_reason="error", error="every token was forbidden before a text could end")
        return replace(told[0], others=tuple(told[1:]))


@dataclass(frozen=True)
class Piece:
    """Tokens ``ids[start:stop]`` of a job, read in one step, and after them ``guessed`` ones."""

    job: Job
    start: int
    stop: int
    guessed: tuple[int, ...] = ()

    @property
    def last(self) -> bool:
        """Whether the job has nothing left to read."""
        return self.stop == len(self.job.ids)

    @property
    def writes(self) -> bool:
        """Whether a token is chosen after it."""
        return self.last and self.job.request.max_tokens > 0

    @property
    def targets(self) -> list[int]:
        """Tokens of the prompt to be scored by what this piece's wanted tokens say."""
        request = self.job.request
        if request.score_from is None or self.job.answered > 0:
            return []
        return request.prompt_ids[max(self.start + 1, request.score_from) : self.stop + 1]

    @property
    def ids(self) -> list[int]:
        """All tokens that are read."""
        return [*self.job.ids[self.start : self.stop], *self.guessed]

    @property
    def wanted(self) -> range:
        """Tokens whose results are needed, counted from the first of the piece."""
        size, scored = self.stop - self.start, len(self.targets)
        if self.guessed:
            return range(size - 1, size + len(self.guessed))
        first = size - max(int(self.writes), scored if self.stop < len(self.job.request.prompt_ids) else scored + 1)
        return range(first, size)
