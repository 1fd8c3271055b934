"""What an evaluation will cost, and a limit that it cannot pass.

A preview asks the first few rows and carries their cost over to all of them; ``Metered`` counts what is spent and refuses a
call whose worst case (every answer as long as it may be) would pass the limit, before it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sibao.core.errors import BudgetExceeded
from sibao.core.prices import Price
from sibao.core.types import Completion, Delta, GenerateOptions, Model, Prompt, Scored, Scorer, Usage
from sibao.core.types import as_prompts as listed
from sibao.evaluation.asking import read_by
from sibao.evaluation.sample import Loglikelihood
from sibao.metrics._intervals import two_sided_t


@dataclass(frozen=True)
class Preview:
    """Cost of all rows, in the price's currency: ``expected`` from the pilot's mean, ``low`` and ``high`` from the spread of
    its rows (95 % prediction for the total), ``most`` if every answer were as long as it may be."""

    rows: int
    pilot: int
    low: float
    expected: float
    high: float
    most: float
    currency: str
    tokens: Usage

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "rows": self.rows, "pilot": self.pilot, "low": self.low, "expected": self.expected, "high": self.high,
            "most": self.most, "currency": self.currency, "prompt_tokens": self.tokens.prompt_tokens,
            "completion_tokens": self.tokens.completion_tokens,
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


def metered(model: Model, price: Price, max_cost: float | None = None) -> Metered:
    """The model with its cost counted, and limited where ``max_cost`` is given."""
    return MeteredScorer(model, price, max_cost) if isinstance(model, Scorer) else Metered(model, price, max_cost)


class Metered:
    """Implements ``core.types.Model`` over another one. ``spent`` is in the price's currency; ``refused`` counts the calls
    that the limit has stopped."""

    def __init__(self, model: Model, price: Price, max_cost: float | None = None) -> None:
        self.name, self.context = model.name, model.context
        self.price, self.max_cost = price, max_cost
        self.spent, self.usage, self.refused = 0.0, Usage(), 0
        self._model: Any = model

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
        if self.max_cost is not None:
            self._refuse_dear(sum(self.worst(prompt, options) for prompt in many), len(many))
        done: list[Completion] = self._model.generate(many, options)
        for completion in done:
            self._pay(completion.usage)
        return done

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """As the model's own.

        Raises:
            BudgetExceeded: as ``generate``.
        """
        if self.max_cost is not None:
            self._refuse_dear(self.worst(prompt, options or GenerateOptions()), 1)
        for delta in self._model.stream(prompt, options):
            if delta.completion is not None:
                self._pay(delta.completion.usage)
            yield delta

    def count(self, prompt: Prompt) -> int:
        """As the model's own."""
        return int(self._model.count(prompt))

    def worst(self, prompt: Prompt, options: GenerateOptions) -> float:
        """What an answer of full length would cost."""
        return self.price.cost(Usage(self.count(prompt), options.max_tokens))

    def _pay(self, usage: Usage) -> None:
        self.usage = self.usage + usage
        self.spent += self.price.cost(usage)

    def _refuse_dear(self, worst: float, rows: int) -> None:
        if self.max_cost is not None and self.spent + worst > self.max_cost:
            self.refused += 1
            raise BudgetExceeded(
                f"{rows} more answers may cost {worst:.4f} {self.price.currency}; {self.spent:.4f} of "
                f"{self.max_cost:.4f} is spent",
                hint="raise --max-cost and run it again: what was answered is kept",
            )


class MeteredScorer(Metered):
    """The same for a model whose probabilities can be read: each reading pays for the tokens it reads."""

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """As the model's own.

        Raises:
            BudgetExceeded: the tokens to be read cost more than is left.
        """
        usage = Usage(sum(read_by(self, Loglikelihood(*pair)) for pair in pairs))
        self._refuse_dear(self.price.cost(usage), len(pairs))
        found: list[Scored] = self._model.score(pairs)
        self._pay(usage)
        return found

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """As the model's own.

        Raises:
            BudgetExceeded: as ``score``.
        """
        usage = sum((Usage(self.count(text)) for text in texts), Usage())
        self._refuse_dear(self.price.cost(usage), len(texts))
        found: list[Scored] = self._model.score_text(texts)
        self._pay(usage)
        return found
