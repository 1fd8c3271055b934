"""What goes into the engine and what comes out: token ids, log-probabilities and a reason for the end.

Everything here is checked when it is made, so that the engine itself never meets a request that cannot be served.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sibao.core.errors import BadInput
from sibao.core.types import FinishReason, Sampling

if TYPE_CHECKING:
    from torch import Tensor

    from sibao.engine.search import Search

Processor = Callable[[list[int], "Tensor"], "Tensor"]
"""``(ids, logits_V) -> logits_V``: prompt and answer so far, and the next token's logits (float32) to change."""


class Constraint(Protocol):
    """Says which tokens may come next, for example so that the answer is valid JSON. See ``text.constraint``.

    One that has a method ``prepare(ids)`` too is told before a forward which mask will be asked for after it.
    """

    def mask(self, ids: list[int]) -> Tensor | None:
        """Bool [V], True where a token may follow the answer so far (the prompt is not in ``ids``); None allows all.

        Tokens beyond the end of a shorter mask may not come (a vocabulary that is padded).
        """
        ...


@dataclass(frozen=True)
class Request:
    """One piece of work for the engine.

    Args:
        id: unique among the requests that are waiting or running.
        prompt_ids: the prompt, at least one token.
        stop_ids: a token of this set ends the answer and is not part of it.
        max_tokens: at most this many new tokens.
        processors: called in order on each step's logits, after bias and penalties, before temperature.
        constraint: applied after the processors.
        adapter: folder of a LoRA adapter beside the loaded model.
        priority: larger runs earlier; equal ones run in the order they came, but for ``group``.
        group: whose request it is: of equal ones each group begins one in turn, so that many of one caller do not keep
            another's waiting. Those that name none are one group.
        score_from: the prompt's tokens from this place on are scored, each by what precedes it; then ``max_tokens`` may
            be 0.
        source_ids: for an encoder-decoder, what it answers; the prompt is then the start of the answer.
        search: the answer is searched for with its beams; it comes in one event, and ``stop_ids`` and ``max_tokens`` are
            the search's own.

    Raises:
        BadInput: a value that cannot be used.
    """

    id: str
    prompt_ids: list[int]
    sampling: Sampling = field(default_factory=Sampling)
    stop_ids: frozenset[int] = frozenset()
    max_tokens: int = 128
    processors: tuple[Processor, ...] = ()
    constraint: Constraint | None = None
    adapter: str | None = None
    priority: int = 0
    group: str | None = None
    score_from: int | None = None
    source_ids: tuple[int, ...] | None = None
    search: Search | None = None

    def __post_init__(self) -> None:
        if self.source_ids == ():
            raise BadInput(f"request {self.id!r} has a source without a token", hint="give some text")
        if self.search is not None and (self.processors or self.constraint is not None):
            raise BadInput("a search takes no processors and no constraint", hint="ask for one beam")
        if not self.prompt_ids:
            raise BadInput(f"request {self.id!r} has an empty prompt", hint="give at least one token")
        if self.max_tokens < (self.score_from is None):
            raise BadInput(f"max_tokens is {self.max_tokens}, at least 1 is needed", hint="ask for one token or more")
        check_sampling(self.sampling)
        if self.sampling.min_tokens > self.max_tokens:
            raise BadInput(
                f"min_tokens is {self.sampling.min_tokens} and max_tokens {self.max_tokens}, wanted no more than that",
                hint="change one of them",
            )

    @property
    def texts(self) -> int:
        """How many texts are written for it at once."""
        return 1 if self.search is None else self.search.beams

    @property
    def reading(self) -> list[int]:
        """Tokens of the prompt that the model reads: the last one only if something is to follow it."""
        return self.prompt_ids if self.max_tokens else self.prompt_ids[:-1]


@dataclass(frozen=True)
class TokenScore:
    """Natural-log probability of one chosen token, and the most likely alternatives as (token id, logprob).

    Read from the model's own distribution: before penalty, processors, constraint, temperature and filters.
    """

    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Event:
    """News of one request. ``finish_reason`` is set on its last event and only there.

    ``logprobs`` has one entry per token when ``sampling.logprobs`` asked for them, else none. The token that stopped
    the answer is not in ``token_ids``. ``error`` says what went wrong when ``finish_reason`` is "error". ``scored`` is
    there once, on the first event, when the request has a ``score_from``. ``search_score``: of a text that was searched
    for, its log-probability over its length to the search's ``length_penalty``; ``others``: the next best texts, each as
    its own last event.
    """

    id: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenScore, ...] = ()
    finish_reason: FinishReason | None = None
    error: str = ""
    scored: SequenceScore | None = None
    search_score: float | None = None
    others: tuple[Event, ...] = ()
    reused: int = 0


@dataclass(frozen=True)
class SequenceScore:
    """Natural-log probability of each scored token, whether it was the most likely one, and the most likely ones in its
    place as (token id, logprob) where ``sampling.logprobs`` asked for them."""

    logprobs: tuple[float, ...]
    greedy: tuple[bool, ...]
    tops: tuple[tuple[tuple[int, float], ...], ...] = ()


def check_sampling(sampling: Sampling) -> None:
    """Refuse settings outside their range.

    Raises:
        BadInput: names the setting, what was got and what is wanted.
    """
    s = sampling
    rows: list[tuple[str, bool, str]] = [
        ("temperature", 0 <= s.temperature < math.inf, "0 (greedy) or more"),
        ("top_k", s.top_k >= 0, "0 (off) or more"),
        ("top_p", 0 < s.top_p <= 1, "above 0, at most 1 (off)"),
        ("min_p", 0 <= s.min_p <= 1, "from 0 (off) to 1"),
        ("typical_p", 0 < s.typical_p <= 1, "above 0, at most 1 (off)"),
        ("repetition_penalty", 0 < s.repetition_penalty < math.inf, "above 0; 1 is off"),
        ("presence_penalty", -2 <= s.presence_penalty <= 2, "from -2 to 2; 0 is off"),
        ("frequency_penalty", -2 <= s.frequency_penalty <= 2, "from -2 to 2; 0 is off"),
        ("min_tokens", s.min_tokens >= 0, "0 (off) or more"),
        ("num_beams", s.num_beams is None or s.num_beams >= 1, "1 (off) or more"),
        ("num_return_sequences", s.num_return_sequences >= 1, "1 or more"),
        ("length_penalty", math.isfinite(s.length_penalty or 0), "a number"),
        ("logprobs", (s.logprobs or 0) >= 0, "0 or more"),
    ]
    for name, fine, want in rows:
        if not fine:
            raise BadInput(f"{name} is {getattr(s, name)}, wanted {want}", hint=f"change {name}")
    _check_bias(s.logit_bias)
    if (s.num_beams or 1) > 1 and s.needs_steps:
        raise BadInput(
            f"num_beams is {s.num_beams}, and beam search does not know {', '.join(s.needs_steps)}",
            hint="leave out one of them",
        )


def _check_bias(bias: object) -> None:
    """Refuse what is not a tuple of (token id, number), each id once."""
    hint = "logit_bias=((token_id, value), ...); -100 forbids a token"
    if not isinstance(bias, tuple):
        raise BadInput(f"logit_bias is a {type(bias).__name__}, wanted a tuple of (token id, number)", hint=hint)
    known = set()
    for pair in bias:
        fine = isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], int) and pair[0] >= 0
        if not fine or not isinstance(pair[1], int | float) or not math.isfinite(pair[1]):
            raise BadInput(f"logit_bias holds {pair!r}, wanted (token id, number)", hint=hint)
        if pair[0] in known:
            raise BadInput(f"logit_bias names the token {pair[0]} twice", hint="give one value for each token")
        known.add(pair[0])


def check_ids(ids: Sequence[int], vocab_size: int, what: str) -> None:
    """Refuse token ids that the model has no embedding for.

    Raises:
        BadInput: names the first bad id, its place and the vocabulary's size.
    """
    if min(ids) >= 0 and max(ids) < vocab_size:
        return
    place, bad = next((i, t) for i, t in enumerate(ids) if not 0 <= t < vocab_size)
    raise BadInput(
        f"{what}: token id {bad} at position {place}, the model knows 0 to {vocab_size - 1}",
        hint="encode the text with this model's own tokenizer",
    )
