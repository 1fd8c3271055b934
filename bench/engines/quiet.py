"""How much of the processor others use: a sample counts only if that is next to nothing.

Two threads that wait for each other slow down severalfold while anything else runs, so noise is no small error here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERTZ = os.sysconf("SC_CLK_TCK")
ALLOWED = 0.05
"""Share of one core that others may use during a sample."""


@dataclass(frozen=True)
class Sample:
    """``noise``: share of one core that others used meanwhile."""

    value: float
    noise: float


def busy() -> float:
    """Seconds that all cores together have worked, whoever for (stolen time too)."""
    ticks = list(map(int, Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]))
    return (sum(ticks) - ticks[3] - ticks[4]) / HERTZ


def used(pid: int | None) -> float:
    """Seconds that this process has computed, and another."""
    own = os.times()
    if pid is None:
        return own.user + own.system
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / HERTZ + own.user + own.system


def wait(pid: int | None, patience: float) -> None:
    """Return when others have been quiet for half a second, or when ``patience`` seconds are over."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = busy() - used(pid)
        time.sleep(0.5)
        if (busy() - used(pid) - before) / 0.5 <= ALLOWED:
            return


def sample(work: Callable[[], float], pid: int | None, tries: int, patience: float) -> Sample:
    """One figure from ``work``, done by this process and ``pid``; redone while others disturb it, the quietest kept."""
    best: Sample | None = None
    for _ in range(tries):
        wait(pid, patience)
        before, begun = busy() - used(pid), time.monotonic()
        value = work()
        noise = max(0.0, busy() - used(pid) - before) / max(time.monotonic() - begun, 1e-9)
        if best is None or noise < best.noise:
            best = Sample(value, noise)
        if noise <= ALLOWED:
            break
    assert best is not None
    return best
