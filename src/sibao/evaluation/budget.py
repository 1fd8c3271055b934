"""What an evaluation will cost, and a limit that it cannot pass.

A preview asks the first few rows and carries their cost over to all of them; ``Metered`` counts what is spent and refuses a
call whose worst case (every answer as long as it may be) would pass the limit, before it is made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sibao.core.errors import BadInput, BudgetExceeded
from sibao.core.prices import Price
from sibao.core.types import Completion, Delta, GenerateOptions, Model, Prompt, Scored, Scorer, Usage
from sibao.core.types import as_prompts as listed
from sibao.evaluation.asking import read_by
from sibao.evaluation.sample import Loglikelihood
from sibao.evaluation.statistics import detectable_difference
from sibao.metrics._intervals import two_sided_t

T = TypeVar("T")


@dataclass(frozen=True)
class Preview:
    """Cost of all rows, in the price's currency: ``expected`` from the pilot's mean, ``low`` and ``high`` from the spread of
    its rows (95 % prediction for the total), ``most`` if every answer were as long as it may be. ``shows``: the smallest
    difference of two models' rates that so many rows are likely to show (``statistics.detectable_difference``)."""

    rows: int
    pilot: int
    low: float
    expected: float
    high: float
    most: float
    currency: str
    tokens: Usage

    @property
    def shows(self) -> float:
        """In 80 of 100 tries, for right-or-wrong rows."""
        return detectable_difference(self.rows)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "rows": self.rows, "pilot": self.pilot, "low": self.low, "expected": self.expected, "high": self.high,
            "most": self.most, "currency": self.currency, "prompt_tokens": self.tokens.prompt_tokens,
            "completion_tokens": self.tokens.completion_tokens, "shows": self.shows,
        }  # fmt: skip


def preview(pilot: Sequence[Usage], rows: int, most: float, price: Price) -> Preview:
    """Cost of ``rows`` rows from the usage of a pilot's (at least one).

    The rows left are taken to be like the pilot's: their sum has mean m·k and variance s²·k·(1 + k/n), k rows left, n in the
    pilot; the interval is Student's t. It never falls below what the pilot has cost nor rises above ``most``.
    """
    costs = [price.cost(usage) for usage in pilot]
    n, left, spent = len(costs), max(0, rows - len(costs)), sum(costs)
    mean = spent / n
    variance = sum((c - mean) ** 2 for c in costs) / (n - 1) if n > 1 else 0.0
    half = two_sided_t(0.95, n - 1) * (variance * left * (1 + left / n)) ** 0.5 if n > 1 else 0.0
    expected = spent + mean * left
    total = sum(pilot, Usage())
    scale = rows / n
    tokens = Usage(round(total.prompt_tokens * scale), round(total.completion_tokens * scale))
    low, high = max(spent, expected - half), min(max(most, expected), expected + half)
    return Preview(rows, n, low, expected, high, max(most, expected), price.currency, tokens)


@dataclass
class Purse:
    """Money that one or more models spend together: ``limit`` (None: no end to it) and ``spent``, in one ``currency`` (empty:
    that of the first price that is not nothing). ``held``: what calls under way may cost."""

    limit: float | None = None
    currency: str = ""
    spent: float = 0.0
    held: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, name: str, price: Price) -> None:
        """A model of that price will spend from it.

        Raises:
            BadInput: the price is in another currency, so that a limit could not be kept to.
        """
        if self.limit is None:
            return
        if not self.currency and price.abroad(""):
            self.currency = price.currency
        if price.abroad(self.currency):
            raise BadInput(
                f"{name} is paid in {price.currency}, and the limit of {self.limit} is in {self.currency}",
                hint=f"give its price in {self.currency}: a price in catalogue.toml, or --price",
            )


def metered(model: Model, price: Price, purse: Purse | None = None) -> Metered:
    """The model with its cost counted, and paid from ``purse``, which it cannot pass."""
    return MeteredScorer(model, price, purse) if isinstance(model, Scorer) else Metered(model, price, purse)


class Metered:
    """Implements ``core.types.Model`` over another one. ``spent`` is in the price's currency; ``refused`` counts the single
    prompts that the purse has stopped (of several at once each may be asked for again). A hosted model has a ``bill``: it tells
    what each request costs, also those whose answers are lost, which count with their worst case."""

    def __init__(self, model: Model, price: Price, purse: Purse | None = None) -> None:
        self.name, self.context = model.name, model.context
        self.price, self.purse = price, purse or Purse()
        self.purse.take(self.name, price)
        self.spent, self.usage, self.refused = 0.0, Usage(), 0
        bare: Any = model
        self._model, self._billed = bare, hasattr(bare, "bill")
        if self._billed:
            bare.bill = self

    def paid(self, usage: Usage) -> None:
        """An answer came."""
        with self.purse.lock:
            self.usage = self.usage + usage
            self._spend(self.price.cost(usage))

    def lost(self, usage: Usage) -> bool:
        """A request brought nothing, and may be paid for all the same. It may be sent again while the limit cannot be passed by
        that: what is held holds every request under way once."""
        purse = self.purse
        with purse.lock:
            self._spend(self.price.cost(usage))
            return purse.limit is None or purse.spent + purse.held <= purse.limit

    def __getattr__(self, name: str) -> Any:
        """What else the model has."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._model, name)

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """As the model's own.

        Raises:
            BudgetExceeded: the prompts with answers of full length might cost more than is left.
        """
        options, many = options or GenerateOptions(), listed(prompts)
        with self._held(many, lambda prompt: self.worst(prompt, options)):
            done: list[Completion] = self._model.generate(many, options)
        for completion in () if self._billed else done:
            self.paid(completion.usage)
        return done

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """As the model's own.

        Raises:
            BudgetExceeded: as ``generate``.
        """
        with self._held([prompt], lambda one: self.worst(one, options or GenerateOptions())):
            for delta in self._model.stream(prompt, options):
                if delta.completion is not None and not self._billed:
                    self.paid(delta.completion.usage)
                yield delta

    def count(self, prompt: Prompt) -> int:
        """As the model's own."""
        return int(self._model.count(prompt))

    def worst(self, prompt: Prompt, options: GenerateOptions) -> float:
        """What an answer of full length would cost."""
        return self.price.cost(Usage(self.count(prompt), options.max_tokens))

    def _spend(self, cost: float) -> None:
        self.spent += cost
        self.purse.spent += cost

    @contextmanager
    def _held(self, many: Sequence[T], cost: Callable[[T], float]) -> Iterator[None]:
        """While they are asked, what they may cost is not there for others."""
        worst = 0.0 if self.purse.limit is None else sum(map(cost, many))
        self._hold(worst, len(many))
        try:
            yield
        finally:
            with self.purse.lock:
                self.purse.held -= worst

    def _hold(self, worst: float, rows: int) -> None:
        purse = self.purse
        with purse.lock:
            if purse.limit is None or purse.spent + purse.held + worst <= purse.limit:
                purse.held += worst
                return
            self.refused += rows == 1
        raise BudgetExceeded(
            f"{rows} more answers may cost {worst:.4f} {self.price.currency}; {purse.spent:.4f} of "
            f"{purse.limit:.4f} is spent",
            hint="raise --max-cost and run it again: what was answered is kept",
        )


class MeteredScorer(Metered):
    """The same for a model whose probabilities can be read: each reading pays for the tokens it reads."""

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """As the model's own.

        Raises:
            BudgetExceeded: the tokens to be read cost more than is left.
        """
        usages = [Usage(read_by(self, Loglikelihood(*pair))) for pair in pairs]
        with self._held(usages, self.price.cost):
            found: list[Scored] = self._model.score(pairs)
        self._read(usages)
        return found

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """As the model's own.

        Raises:
            BudgetExceeded: as ``score``.
        """
        usages = [Usage(self.count(text)) for text in texts]
        with self._held(usages, self.price.cost):
            found: list[Scored] = self._model.score_text(texts)
        self._read(usages)
        return found

    def _read(self, usages: Sequence[Usage]) -> None:
        for usage in () if self._billed else usages:
            self.paid(usage)
