"""What tokens cost: a dated, sourced price, and the cost of a call."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sibao.core.types import Usage

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """Price of a million tokens read (``input_per_million``), written, and read from the provider's cache (None: as read).

    ``date`` (ISO) and ``source`` say when and where it was seen; both are empty where the user gave it.
    """

    input_per_million: float
    output_per_million: float
    cached_per_million: float | None = None
    currency: str = "USD"
    date: str = ""
    source: str = ""

    def cost(self, usage: Usage, cached_tokens: int | None = None) -> float:
        """What a usage costs, never less than nothing; ``cached_tokens`` of its prompt (None: as many as it says) were read
        from the cache."""
        cached_tokens = usage.cached_tokens if cached_tokens is None else cached_tokens
        cached_tokens = min(max(0, cached_tokens), usage.prompt_tokens)
        cached = self.input_per_million if self.cached_per_million is None else self.cached_per_million
        read = (usage.prompt_tokens - cached_tokens) * self.input_per_million + cached_tokens * cached
        return max(0.0, read + usage.completion_tokens * self.output_per_million) / MILLION

    def abroad(self, currency: str) -> bool:
        """Whether it cannot be counted in that currency: it is in another one, and not nothing."""
        return self.currency != currency and bool(self.input_per_million or self.output_per_million)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)
