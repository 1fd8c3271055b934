"""A candidate in the race: answers each row once, keeps what the answers took, and never spends more than the purse holds."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sibao.choosing.cells import Cell
from sibao.choosing.facts import cost_cell
from sibao.choosing.race_result import Lane, Reply
from sibao.core.energy import Energy, EnergyMeter
from sibao.core.errors import BadInput
from sibao.core.prices import Price
from sibao.core.types import Completion, Delta, GenerateOptions, Head, Model, Prompt, SourceForm, Usage
from sibao.evaluation import harness
from sibao.evaluation.budget import Purse
from sibao.tasks.base import Task
from sibao.workflows._models import Opened
from sibao.workflows.jobs import has_template

RACE = "this race"


@dataclass(frozen=True)
class Work:
    """What every candidate does. ``metric`` names one of ``sibao.metrics`` with a value for each row."""

    task: Task[Any]
    items: list[harness.Item]
    metric: str
    options: GenerateOptions | None = None
    batch: int = 16
    purse: Purse = field(default_factory=Purse)

    def values(self, answered: Sequence[harness.Answered]) -> list[float | None]:
        """Each row's value on 0..1, None where it is missing.

        Raises:
            BadInput: a metric that has no best value, or where less is better.
        """
        module = harness.metric(self.metric)
        scale: float | None = module.SCALE
        if scale is None or not module.HIGHER_IS_BETTER:
            raise BadInput(
                f"{self.metric} cannot be raced on: it has no best value for a row", hint="take accuracy or chrf"
            )
        found: list[float | None] = [None] * len(answered)
        for language in {a.item.language for a in answered}:
            part = [(i, a) for i, a in enumerate(answered) if a.item.language == language and a.result is not None]
            said = [a.result.text for _, a in part if a.result is not None]
            rows = module.per_row(said, [a.item.references for _, a in part], language=language) if part else []
            for (i, _), value in zip(part, rows, strict=True):
                found[i] = min(1.0, max(0.0, value / scale))
        return found


class Listener:
    """A model that writes, with its completions kept for their times."""

    def __init__(self, model: Model) -> None:
        self.name, self.context = model.name, model.context
        self.has_template = has_template(model)
        self.source_form: SourceForm | None = getattr(model, "source_form", None)
        self.heard: list[Completion] = []
        self._model = model

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """As the model's own."""
        found = self._model.generate(prompts, options)
        self.heard += found
        return found

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """As the model's own."""
        return self._model.stream(prompt, options)

    def count(self, prompt: Prompt) -> int:
        """As the model's own."""
        return self._model.count(prompt)


class Entrant:
    """One candidate, open. ``done`` holds its answer to each row asked so far."""

    def __init__(self, opened: Opened, price: Price | None, work: Work) -> None:
        self.opened, self.price, self.work = opened, price, work
        self.done: dict[int, harness.Answered] = {}
        self.model: Any = opened.model if isinstance(opened.model, Head) else Listener(opened.model)
        # Below what keeps answers: a time must be of now and of this machine, and of one request alone.
        self.alone: Any = self.model if opened.meter is None else Listener(opened.meter)
        self.single: list[tuple[float, float, int]] = []  # seconds, seconds to the first token, tokens written
        self.joules, self.energy_rows = 0.0, 0
        self.energy: Energy | None = None
        self._told = 0.0

    def reply(self, rows: Sequence[int]) -> Reply:
        """The answers to rows, as the race wants them."""
        refused = 0 if self.opened.meter is None else self.opened.meter.refused
        self._ask([row for row in rows if row not in self.done], self.work.batch, self.model)
        answered = [self.done[row] for row in rows]
        spent = 0.0 if self.opened.meter is None else self.opened.meter.spent
        cost, self._told = spent - self._told, spent
        stopped = self.opened.meter is not None and self.opened.meter.refused > refused
        return Reply(self.work.values(answered), _tokens(answered), cost, stopped)

    def probe(self, rows: Sequence[int]) -> None:
        """Answer some rows one at a time, as a single user would wait for them; asked anew, whatever was kept."""
        for row in rows:
            heard = len(self.alone.heard) if isinstance(self.alone, Listener) else 0
            self._ask([row], 1, self.alone)
            result = self.done[row].result
            if result is None:
                continue
            calls = self.alone.heard[heard:] if isinstance(self.alone, Listener) else []
            seconds = sum(c.seconds for c in calls) if calls else result.seconds
            first = calls[0].first_token_seconds if calls else seconds
            self.single.append((seconds, first, result.usage.completion_tokens))

    def _ask(self, rows: list[int], batch: int, model: Any) -> None:
        if not rows:
            return
        found = self.opened.found
        with EnergyMeter() as energy:
            todo = [self.work.items[row] for row in rows]
            # one that answers no more is out of the choice, which goes on without it
            answered = harness.answer(self.work.task, model, todo, self.work.options, batch=batch, ends=False)
        self.done |= dict(zip(rows, answered, strict=True))
        if self.opened.found == found:  # an answer from the store takes no energy
            self.joules += energy.energy.joules
            self.energy_rows += len(rows)
            self.energy = energy.energy

    def why_missing(self) -> str:
        """The commonest reason of the rows that have no answer."""
        reasons = Counter(a.missing for a in self.done.values() if a.result is None)
        return reasons.most_common(1)[0][0] if reasons else ""

    def cells(self, currency: str, here: bool) -> dict[str, Cell]:
        """What its answers took."""
        there = [a.result for a in self.done.values() if a.result is not None]
        usage = sum((result.usage for result in there), Usage())
        found = {"cost": cost_cell(self.price, usage, len(there), currency)}
        if self.single:
            found |= _times(self.single)
        if here and self.energy is not None:
            rows = f"{RACE}, {self.energy_rows} rows, {self.energy.source}"
            found["energy"] = Cell(self.joules / self.energy_rows, "J / request", rows, "", self.energy.kind)
        return found


def quality_cell(lane: Lane, metric: str, level: float) -> Cell:
    """A lane's mean with its always-valid interval."""
    bounds = lane.bounds(level)
    missing = f", {lane.missing} missing" if lane.missing else ""
    source = f"{RACE}: {metric} on {len(lane.values)} rows{missing}"
    return Cell(lane.mean, metric, source, kind="measured", low=bounds.low, high=bounds.high)


def _times(single: Sequence[tuple[float, float, int]]) -> dict[str, Cell]:
    seconds, first = [s for s, _, _ in single], [f for _, f, _ in single]
    source = f"{RACE}: {len(single)} requests, one at a time"
    found = {
        "latency": Cell(statistics.median(seconds), "s", source, "", "measured", min(seconds), max(seconds)),
        "first_token": Cell(statistics.median(first), "s", source, "", "measured", min(first), max(first)),
    }
    written = sum(tokens for _, _, tokens in single)
    if written and sum(seconds) > 0:
        found["speed"] = Cell(written / sum(seconds), "tokens/s", source, kind="measured")
    return found


def _tokens(answered: Sequence[harness.Answered]) -> int:
    usage = sum((a.result.usage for a in answered if a.result is not None), Usage())
    return usage.prompt_tokens + usage.completion_tokens
