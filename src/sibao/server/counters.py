"""What a server counts, for Prometheus."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sibao.core.types import Usage

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Counters:
    """Of one server; several in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: Any = {"registry": self.registry}
        self.requests = Counter("sibao_requests", "Requests answered.", ["route", "status"], **own)
        self.seconds = Histogram("sibao_request_seconds", "Time of a request.", ["route"], buckets=SECONDS, **own)
        self.first = Histogram(
            "sibao_first_token_seconds", "Wait for the first token.", ["model"], buckets=SECONDS, **own
        )
        self.tokens = Counter(
            "sibao_tokens", "Tokens by kind: prompt, cached (of the prompt), completion.", ["model", "kind"], **own
        )
        self.at_work = 0  # requests that wait or run
        running = Gauge("sibao_requests_running", "Requests that wait or run.", **own)
        running.set_function(lambda: self.at_work)
        self.loaded = Gauge("sibao_models_loaded", "Models in memory.", **own)
        self.held = Gauge("sibao_cache_blocks_held", "Blocks of the cache that requests hold now.", ["model"], **own)

    def answered(self, model: str, usage: Usage, first_token_seconds: float | None) -> None:
        """Count one answer, or vectors; None where no token was waited for."""
        for kind, count in (
            ("prompt", usage.prompt_tokens),
            ("cached", usage.cached_tokens),
            ("completion", usage.completion_tokens),
        ):
            self.tokens.labels(model, kind).inc(count)
        if first_token_seconds is not None:
            self.first.labels(model).observe(first_token_seconds)

    def text(self) -> bytes:
        """In Prometheus' text form."""
        return generate_latest(self.registry)
