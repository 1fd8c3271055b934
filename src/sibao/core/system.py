"""Facts about this machine and this process. Standard library first; psutil only where the system files are missing."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CPU = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Machine:
    """``cores`` are physical ones that this process may use, ``threads`` the logical ones; memory in bytes."""

    cpu: str
    cores: int
    threads: int
    memory_bytes: int
    system: str
    python: str


@cache
def machine() -> Machine:
    """What a report says about where its numbers were taken."""
    return Machine(
        cpu=_cpu_name(),
        cores=physical_cores(),
        threads=logical_cores(),
        memory_bytes=memory_bytes(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
    )


def logical_cores() -> int:
    """Hardware threads this process may run on (affinity, not the whole machine)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def physical_cores() -> int:
    """Cores this process may run on: hyperthreads of one core count once, a container's CPU quota is respected.

    Matrix products gain nothing from a second thread on one core, so this is the right number of workers.
    """
    logical = logical_cores()
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(logical)
    siblings = {_read(_CPU / f"cpu{n}/topology/thread_siblings_list") or str(n) for n in allowed}
    quota = _cpu_quota()
    cores = len(siblings)
    return max(1, min(cores, int(quota)) if quota else cores)


def memory_bytes() -> int:
    """RAM of the machine, or the container's limit where that is lower."""
    limit = _read(Path("/sys/fs/cgroup/memory.max"))
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        import psutil

        total = psutil.virtual_memory().total
    return min(total, int(limit)) if limit.isdigit() else total


def peak_memory_bytes() -> int:
    """Most memory this process has held at once (resident set, high-water mark since it started)."""
    for line in _read(Path("/proc/self/status")).splitlines():  # getrusage would include the parent's peak on Linux
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB, macOS in bytes


def _cpu_quota() -> float | None:
    """Cores' worth of time that the control group allows; None without a limit."""
    quota, _, period = _read(Path("/sys/fs/cgroup/cpu.max")).partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _cpu_name() -> str:
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read(path: Path) -> str:
    """A small system file's text; empty where it does not exist."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
