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

Processor = Callable[[list[int], "Tensor"], "Tensor"]
"""``(ids, logits_V) -> logits_V``: prompt and answer so far, and the next token's logits (float32) to change."""


class Constraint(Protocol):
    """Says which tokens may come next, for example so that the answer is valid JSON."""

    def mask(self, ids: list[int]) -> Tensor | None:
        """Bool [V], True where a token may follow the answer so far (the prompt is not in ``ids``); None allows all."""
        ...


@dataclass(frozen=True)
class Request:
    """One piece of work for the engine.

    Args:
        id: unique among the requests that are waiting or running.
        prompt_ids: the prompt, at least one token.
        stop_ids: a token of this set ends the answer and is not part of it.
        max_tokens: at most this many new tokens.
        processors: called in order on each step's logits, after the repetition penalty, before temperature.
        constraint: applied after the processors.
        adapter: folder of a LoRA adapter; the first form of the engine serves the loaded model only.
        priority: larger runs earlier; equal ones run in the order they came.

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

    def __post_init__(self) -> None:
        if not self.prompt_ids:
            raise BadInput(f"request {self.id!r} has an empty prompt", hint="give at least one token")
        if self.max_tokens < 1:
            raise BadInput(f"max_tokens is {self.max_tokens}, at least 1 is needed", hint="ask for one token or more")
        check_sampling(self.sampling)


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
    the answer is not in ``token_ids``. ``error`` says what went wrong when ``finish_reason`` is "error".
    """

    id: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenScore, ...] = ()
    finish_reason: FinishReason | None = None
    error: str = ""


@dataclass(frozen=True)
class SequenceScore:
    """Natural-log probability of each scored token, and whether it was the most likely one."""

    logprobs: tuple[float, ...]
    greedy: tuple[bool, ...]


def check_sampling(sampling: Sampling) -> None:
    """Refuse settings outside their range.

    Raises:
        BadInput: names the setting, what was got and what is wanted.
    """
    penalty = sampling.repetition_penalty
    wanted: list[tuple[str, float, bool, str]] = [
        ("temperature", sampling.temperature, 0 <= sampling.temperature < math.inf, "0 (greedy) or more"),
        ("top_k", sampling.top_k, sampling.top_k >= 0, "0 (off) or more"),
        ("top_p", sampling.top_p, 0 < sampling.top_p <= 1, "above 0, at most 1 (off)"),
        ("min_p", sampling.min_p, 0 <= sampling.min_p <= 1, "from 0 (off) to 1"),
        ("repetition_penalty", penalty, 0 < penalty < math.inf, "above 0; 1 is off"),
        ("num_beams", sampling.num_beams or 0, sampling.num_beams is None or sampling.num_beams >= 1, "1 (off) or more"),
        ("length_penalty", sampling.length_penalty or 0, math.isfinite(sampling.length_penalty or 0), "a number"),
        ("logprobs", sampling.logprobs or 0, (sampling.logprobs or 0) >= 0, "0 or more"),
    ]  # fmt: skip
    for name, got, fine, want in wanted:
        if not fine:
            raise BadInput(f"{name} is {got}, wanted {want}", hint=f"change {name}")


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
