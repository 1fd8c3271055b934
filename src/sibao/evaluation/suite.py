"""What a suite is: a published benchmark in one file of ``evaluation/suites``, whose name is the key.

A suite reads rows as they are published, turns them into samples, judges the replies and reports scores. It knows no
model, no tokenizer and no store.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from sibao.core.errors import UnknownName
from sibao.core.types import Language, Row, Score
from sibao.evaluation.places import Place
from sibao.evaluation.reporting import means
from sibao.evaluation.sample import Judged, Outcome, Reply, Sample

Area = Literal["language", "accuracy", "translation", "qa", "summarization", "bias", "safety"]


Merit = Literal["higher", "lower", "neither"] | float
"""Of a value: more of it is better, or less; neither; or neither, but this much of it would be ideal."""
TaskForm = Literal["chat", "plain", "source"]
"""A task's own prompt: messages through the model's template, bare text, or what an encoder-decoder reads."""


@dataclass(frozen=True)
class Rows:
    """The rows of a suite as published: those that are scored, and those that worked examples are drawn from.

    ``split`` names the part that is scored ("test", "dev") and goes into the signature. Each row keeps the file and line
    it came from under ``"_file"`` and ``"_line"``, for errors that say where.
    """

    test: list[Row]
    shots: list[Row] = field(default_factory=list)
    split: str = "test"


@dataclass(frozen=True)
class Setting:
    """How a suite is asked.

    ``shots`` worked examples stand before each row; ``chat`` sends prompts as messages, through the model's template;
    ``pmi`` asks for the choices without their question too (one more convention, more tokens); ``stride`` above 0 has
    running text read in overlapping windows as well; ``seed`` draws whatever is drawn. ``fitted``: the tokens that a model
    holds, where there are fewer worked examples than published figures use because no more have room. ``form``: which of its
    own prompts a task uses, for suites that are one.
    """

    shots: int = 0
    chat: bool = False
    pmi: bool = False
    stride: int = 0
    seed: int = 0
    fitted: int = 0
    form: TaskForm | None = None


class Suite(ABC):
    """One benchmark: what is known of it, and its rows. Subclasses: ``RequestSuite`` below, whose kinds are
    ``choice.ChoiceSuite``, ``writing.WritingSuite`` and ``texts.TextSuite``; and ``on_tasks.TaskSuite``.

    ``version`` changes with any prompt or rule and goes into every signature. ``folder`` is the folder that the published
    files usually stand in, ``files`` their names (the first is the one that is scored). ``shots`` is the number of worked
    examples that published figures use. ``headline`` names the value that stands for the suite in a scorecard;
    ``ideal`` is the value that it should have where neither more nor less is better (50 % for a preference between a
    stereotype and its opposite); ``merits`` says of its other values what their names do not say to
    ``direction.direction_of``. ``ran_on_real_data`` is false where only hand-made rows of the published form were at hand.
    ``variants`` are other choices of rows, named behind a colon (``cmrc2018:all``); ``variant`` is the one that was chosen.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    area: ClassVar[Area]
    about: ClassVar[dict[Language, str]]
    languages: ClassVar[tuple[Language, ...]] = ("en",)
    license: ClassVar[str]
    source: ClassVar[str]
    folder: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    shots: ClassVar[int] = 0
    headline: ClassVar[str] = "acc"
    higher_is_better: ClassVar[bool] = True
    ideal: ClassVar[float | None] = None
    merits: ClassVar[Mapping[str, Merit]] = {}
    caveat: ClassVar[dict[Language, str]] = {}
    ran_on_real_data: ClassVar[bool] = True
    variants: ClassVar[tuple[str, ...]] = ()
    variant: str = ""

    def as_variant(self, name: str) -> Self:
        """The suite with another choice of its rows.

        Raises:
            UnknownName: not one of ``variants``.
        """
        if name not in self.variants:
            raise UnknownName(f"variant of {self.name}", name, self.variants)
        chosen = copy(self)
        chosen.variant = name
        return chosen

    @abstractmethod
    def read(self, place: Place) -> Rows:
        """The published rows.

        Raises:
            DataError: a row that lacks a field or has one of the wrong type, by file, line and field.
        """


def spread(rows: Sequence[Any], limit: int) -> list[Any]:
    """``limit`` rows at even distances, so that a file in the order of its subjects gives some of each."""
    return [rows[i * len(rows) // limit] for i in range(limit)]


class RequestSuite(Suite):
    """A suite whose rows become requests, the same for every model."""

    @abstractmethod
    def samples(self, rows: Rows, setting: Setting) -> list[Sample]:
        """The rows as requests to a model, in order."""

    @abstractmethod
    def judge(self, sample: Sample, replies: Sequence[Reply]) -> Judged:
        """What the replies to one sample are worth."""

    def report(self, outcomes: Sequence[Outcome]) -> list[Score]:
        """Scores over all outcomes: the mean of each value with its interval, then the headline's for each group.
        ``signature`` holds only what the suite adds; the harness puts its own part before it."""
        return means(outcomes, chance=self.chance, grouped=(self.headline,))

    def chance(self, name: str, outcomes: Sequence[Outcome]) -> float | None:
        """What guessing gives for a value, over these outcomes; None where nothing is known."""
        return None
