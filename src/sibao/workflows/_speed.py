"""How fast a model reads and writes, how long the first token takes, and what that costs in energy, on this machine."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sibao.core.energy import EnergyMeter
from sibao.core.errors import BadInput
from sibao.core.types import Completion, GenerateOptions, Sampling
from sibao.workflows._models import Opened

WORDS = {
    "en": "A river rises in the hills, runs past farms and mills, and takes its time to reach the sea. ",
    "zh": "小河从山里流出来，绕过田野和村庄，不慌不忙地走向大海。",
}
SAMPLES = 5


@dataclass(frozen=True)
class Figure:
    """The median of some samples, with the least and the greatest."""

    median: float
    low: float
    high: float
    samples: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """From the samples."""
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Measured:
    """Tokens per second of reading and writing, seconds to the first token, and joules per token that was read or written."""

    prefill: Figure
    decode: Figure
    first_token: Figure
    joules_per_token: float
    energy_kind: str
    energy_source: str
    prompt_tokens: int
    new_tokens: int


def measure_speed(opened: Opened, prompt_tokens: int = 256, new_tokens: int = 64, samples: int = SAMPLES) -> Measured:
    """One request at a time, each with words of its own in front, so that no beginning is known from the last one.

    Raises:
        BadInput: the model writes nothing, or ends every answer at once.
    """
    model = opened.bare
    if not hasattr(model, "stream"):
        raise BadInput(f"{model.name} writes nothing whose speed could be measured")
    room = max(8, model.context - new_tokens - 8)
    wanted = min(prompt_tokens, room)
    _one(model, _prompt(model, wanted, 0), new_tokens)  # the first pays for what is made once
    with EnergyMeter() as meter:
        done = [_one(model, _prompt(model, wanted, number + 1), new_tokens) for number in range(samples)]
    written = [c for c in done if c.usage.completion_tokens > 1]
    if not written:
        raise BadInput(f"{model.name} ended every answer at once: there is nothing to time")
    tokens = sum(c.usage.prompt_tokens + c.usage.completion_tokens for c in done)
    return Measured(
        Figure.of([c.usage.prompt_tokens / c.first_token_seconds for c in written]),
        Figure.of([(c.usage.completion_tokens - 1) / (c.seconds - c.first_token_seconds) for c in written]),
        Figure.of([c.first_token_seconds for c in written]),
        meter.energy.joules / tokens,
        meter.energy.kind,
        meter.energy.source,
        round(statistics.median(c.usage.prompt_tokens for c in done)),
        round(statistics.median(c.usage.completion_tokens for c in done)),
    )


def _prompt(model: Any, tokens: int, number: int) -> str:
    text = f"{number}. "
    unit = WORDS["en"] + WORDS["zh"]
    text += unit * max(1, tokens // max(1, model.count(unit)))
    return text


def _one(model: Any, prompt: str, new_tokens: int) -> Completion:
    options = GenerateOptions(max_tokens=new_tokens, sampling=Sampling(min_tokens=new_tokens))
    last = None
    for delta in model.stream(prompt, options):
        last = delta.completion or last
    if last is None:
        raise BadInput(f"{model.name} gave no answer")
    return last
