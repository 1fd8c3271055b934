"""How long to wait before a request is sent (again): back-off with full jitter, and what the server itself says."""

from __future__ import annotations

import email.utils
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

BASE, MOST = 0.5, 8.0
"""Seconds: the n-th wait is drawn evenly from 0 to BASE * 2^(n-1), at most MOST (full jitter: AWS Architecture Blog, 2015)."""
_CHANCE = random.SystemRandom()  # nobody's seed is used up
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


@dataclass(frozen=True)
class Policy:
    """Limits of one call, in seconds and bytes. ``total`` bounds all its tries and waits together: a whole answer, and the
    beginning of a stream, may take all of it. ``read``: a stream that has begun may be silent for so long, and whoever is asked
    for what is not written first (lists of models). A server that asks for a wait above ``most_wait`` is not waited for."""

    connect: float = 10.0
    read: float = 120.0
    total: float = 600.0
    retries: int = 4
    most_wait: float = 60.0
    most_bytes: int = 64 * 2**20


def jitter(attempt: int) -> float:
    """Seconds to wait after the ``attempt``-th try (from 1)."""
    return _CHANCE.uniform(0, min(MOST, BASE * 2 ** (attempt - 1)))


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a refusal asks to wait (``retry-after-ms``, ``Retry-After``), None where it names none."""
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(milliseconds) / 1000)
        if (text := headers.get("retry-after")) is None:
            return None
        if re.fullmatch(r"\d+(\.\d+)?", text.strip()):
            return float(text)
        then = email.utils.parsedate_to_datetime(text)
        return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None


def reset_wait(headers: Mapping[str, str]) -> float:
    """Seconds until the next request may be sent, by the rate-limit headers of an answer (``x-ratelimit-remaining-*`` and
    ``x-ratelimit-reset-*`` of OpenAI and its kin); 0 where some are left."""
    waits = [0.0]
    for what in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{what}", "").strip() in ("0", "-1"):
            waits.append(length(headers.get(f"x-ratelimit-reset-{what}", "")))
    return max(waits)


def length(text: str) -> float:
    """Seconds of ``6m0s``, ``250ms`` or a bare number; 0 for anything else."""
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    found = _LENGTH.findall(text)
    return sum(float(n) * _UNITS[unit] for n, unit in found) if "".join(n + u for n, u in found) == text else 0.0


class Gate:
    """Holds all requests of one client back until the server is ready for more; closing it ends every wait."""

    def __init__(self) -> None:
        self._open_at, self._closed, self._changed = 0.0, False, threading.Condition()

    def hold(self, seconds: float) -> None:
        """Let nobody pass for so long."""
        with self._changed:
            self._open_at = max(self._open_at, time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds until it opens."""
        with self._changed:
            return max(0.0, self._open_at - time.monotonic())

    def wait(self, seconds: float, given_up: Callable[[], bool] = lambda: False) -> bool:
        """Wait; True where the gate was closed meanwhile, or whoever waits has given up (``wake`` then)."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or given_up(), max(0.0, seconds))

    def wake(self) -> None:
        """Let all who wait look whether they still do."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
