"""What an evaluation asks a model and what comes back: three kinds of request, one row, and what became of it.

The kinds are those of lm-evaluation-harness: ``loglikelihood``, ``loglikelihood_rolling`` and ``generate_until``. A suite
turns its published rows into samples; ``evaluation.asking`` puts them to a model; the suite then scores the replies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sibao.core.types import Completion, GenerateOptions, Language, Prompt
from sibao.core.types import Scored as Likelihood


@dataclass(frozen=True)
class Loglikelihood:
    """log p(continuation | context), by the boundary rules of ``core.types.Scorer.score``."""

    context: Prompt
    continuation: str


@dataclass(frozen=True)
class Rolling:
    """Log-likelihood of a whole text: every token exactly once. ``stride`` above 0: in overlapping windows that score so
    many tokens each (``providers.local.LocalModel.score_strided``); 0: in disjoint ones."""

    text: str
    stride: int = 0


@dataclass(frozen=True)
class Generation:
    """A text to be written. Greedy unless the options say otherwise."""

    prompt: Prompt
    options: GenerateOptions = field(default_factory=GenerateOptions)


Request = Loglikelihood | Rolling | Generation
Reply = Likelihood | Completion
"""A likelihood for the first two kinds, a completion for the third."""


@dataclass(frozen=True)
class Sample:
    """One row of a suite, ready to be asked.

    ``id`` is the published one where there is one, else the row's number, and unique in the suite; ``target`` is whatever
    the suite scores against. ``group`` is the row's category (subject, bias type), reported by itself as well; rows of one
    ``cluster`` (questions on one passage) are not independent, and intervals know it. ``data`` keeps what scoring needs.
    """

    id: str
    requests: tuple[Request, ...]
    target: Any = None
    group: str = ""
    cluster: str = ""
    language: Language = "en"
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """What the replies to a sample are worth.

    ``values`` maps a metric's name to this row's value (a metric that is not defined for the row is left out);
    ``prediction`` is what the model is taken to have said, ``references`` what was wanted: both for people to read.
    """

    values: dict[str, float]
    prediction: str = ""
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """A sample after the model: its replies and what they are worth, or why there are none.

    A failure of the provider and a prompt that does not fit are ``missing``, never wrong.
    """

    sample: Sample
    replies: tuple[Reply, ...] = ()
    judged: Judged | None = None
    missing: str = ""
