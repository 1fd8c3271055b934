"""How much electricity a piece of work took, and whether that was measured or estimated.

    with EnergyMeter() as meter:
        work()
    print(meter.energy.joules, meter.energy.kind, meter.energy.source)

Sources, in order: the processor's RAPL counters and NVIDIA's NVML counters (*measured*), else CPU seconds times a
stated number of watts (*estimated*). The two kinds are never added up: one figure has one kind.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

from sibao.core.config import settings

POWERCAP = Path("/sys/class/powercap")
JOULES_PER_KWH = 3.6e6
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Energy:
    """Energy of one piece of work.

    ``source`` says what was read and what it covers; ``idle_subtracted`` whether the machine's idle draw was taken off.
    """

    joules: float
    source: str
    kind: Literal["measured", "estimated"]
    seconds: float
    idle_subtracted: bool = False

    @property
    def kwh(self) -> float:
        """Kilowatt-hours."""
        return self.joules / JOULES_PER_KWH

    @property
    def watts(self) -> float:
        """Mean power."""
        return self.joules / self.seconds if self.seconds > 0 else 0.0

    def co2_grams(self, grid: float | None = None) -> float:
        """Grams of CO2-equivalent for a grid of ``grid`` g/kWh (default: the setting ``grid_grams_per_kwh``)."""
        return self.kwh * (settings().grid_grams_per_kwh if grid is None else grid)

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``--json`` and the store."""
        return {
            "joules": self.joules, "kwh": self.kwh, "co2_grams": self.co2_grams(), "kind": self.kind,
            "source": self.source, "seconds": self.seconds, "idle_subtracted": self.idle_subtracted,
        }  # fmt: skip


class _Source(Protocol):
    """A counter: made when the work starts, read as often as wanted."""

    name: str

    def joules(self) -> float:
        """Joules since it was made."""
        ...

    def close(self) -> None: ...


class EnergyMeter:
    """Measures its ``with`` block; ``read()`` gives the figure so far, ``energy`` the last one.

    Args:
        gpu: whether graphics cards count. None: when NVML finds one. A processor that cannot be measured beside a
            card that can gives the card's energy alone, and the source says so.
        idle_watts: the machine's draw at rest, subtracted from a measured figure (never below zero).
        powercap: where the RAPL counters are.
    """

    def __init__(self, gpu: bool | None = None, idle_watts: float | None = None, powercap: Path = POWERCAP) -> None:
        self.gpu, self.idle_watts, self.powercap = gpu, idle_watts, powercap
        self.energy = Energy(0.0, "nothing yet", "estimated", 0.0)

    def __enter__(self) -> EnergyMeter:
        self._sources = _measured_sources(self.powercap, self.gpu)
        self._cpu = _CpuTime()
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        if self._sources:  # counters wrap within minutes: they must be read now and then
            threading.Thread(target=self._poll, daemon=True, name="energy").start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self.read()
        for source in self._sources:
            source.close()

    def read(self) -> Energy:
        """Energy since the block began."""
        seconds = time.monotonic() - self._began
        with self._lock:
            joules = sum(source.joules() for source in self._sources)
        if not self._sources:
            self.energy = self._cpu.energy(seconds)
            return self.energy
        idle = min(joules, seconds * (self.idle_watts or 0.0))
        source = "+".join(s.name for s in self._sources)
        source += "" if any(isinstance(s, _Rapl) for s in self._sources) else " (graphics card only)"
        self.energy = Energy(joules - idle, source, "measured", seconds, idle_subtracted=self.idle_watts is not None)
        return self.energy

    def _poll(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            with self._lock:
                for source in self._sources:
                    source.joules()


def _measured_sources(powercap: Path, gpu: bool | None) -> list[_Source]:
    found: list[_Source | None] = [_Rapl.open(powercap), None if gpu is False else _Nvml.open()]
    return [source for source in found if source is not None]


class _Rapl:
    """Intel's and AMD's running average power limit counters: one per processor package, in microjoules, wrapping."""

    name = "rapl"

    def __init__(self, zones: list[Path]) -> None:
        self._zones = [(z / "energy_uj", int((z / "max_energy_range_uj").read_text())) for z in zones]
        self._last = [int(path.read_text()) for path, _ in self._zones]
        self._total = 0

    @classmethod
    def open(cls, powercap: Path) -> _Rapl | None:
        """None where there are no counters or they may not be read (root only on most systems)."""
        try:
            # Only top zones "rapl:N": their parts (cores, uncore) are contained in them, "mmio" ones repeat them.
            zones = [z for z in sorted(powercap.glob("*-rapl:*")) if z.name.count(":") == 1 and "mmio" not in z.name]
            return cls(zones) if zones else None
        except (OSError, ValueError):
            return None

    def joules(self) -> float:
        for i, (path, wrap) in enumerate(self._zones):
            now = int(path.read_text())
            self._total += (now - self._last[i]) % (wrap + 1)
            self._last[i] = now
        return self._total / 1e6

    def close(self) -> None:
        pass


class _Nvml:
    """NVIDIA's counters: the total-energy counter (millijoules) where the card has one, else power times time."""

    name = "nvml"

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in _visible(nvml.nvmlDeviceGetCount())]
        self._cards = [(handle, self._counter(handle)) for handle in handles]
        self._integrated, self._then = 0.0, time.monotonic()

    @classmethod
    def open(cls) -> _Nvml | None:
        """None without the package, a driver or a card."""
        try:
            import pynvml
        except ImportError:
            return None
        try:
            pynvml.nvmlInit()
            source = cls(pynvml)
        except pynvml.NVMLError:
            return None
        return source if source._cards else None

    def joules(self) -> float:
        now = time.monotonic()
        total = 0.0
        for handle, start in self._cards:
            if start is not None:
                total += (self._counter(handle) or start) - start
            else:
                self._integrated += self._nvml.nvmlDeviceGetPowerUsage(handle) / 1000 * (now - self._then)
        self._then = now
        return total + self._integrated

    def close(self) -> None:
        self._nvml.nvmlShutdown()

    def _counter(self, handle: Any) -> float | None:
        try:
            return self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
        except self._nvml.NVMLError:
            return None


def _visible(count: int) -> list[int]:
    """Indexes of the cards this process may use."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None or not all(part.strip().isdigit() for part in chosen.split(",") if part):
        return list(range(count))
    return [int(part) for part in chosen.split(",") if part and int(part) < count]


class _CpuTime:
    """CPU seconds of this process and its finished children times stated watts, plus a stated constant draw."""

    def __init__(self) -> None:
        self._start = self._seconds()

    def energy(self, seconds: float) -> Energy:
        chosen = settings()
        per_core, base = chosen.energy_watts_per_core, chosen.energy_watts_base
        joules = (self._seconds() - self._start) * per_core + seconds * base
        source = f"cpu time x {per_core:g} W per core + {base:g} W"
        return Energy(joules, source, "estimated", seconds)

    @staticmethod
    def _seconds() -> float:
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system
