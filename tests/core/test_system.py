"""Facts about the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sibao.core import system


def test_machine() -> None:
    facts = system.machine()
    assert facts.cpu and facts.system and facts.python.startswith("3.")
    assert 1 <= facts.cores <= facts.threads <= (os.cpu_count() or 1)
    assert facts.memory_bytes > 2**28


def test_peak_memory_is_a_high_water_mark() -> None:
    code = """
import sys
from sibao.core.system import peak_memory_bytes
before = peak_memory_bytes()
block = b"x" * 200_000_000
del block
print(peak_memory_bytes() - before)
"""
    path = str(Path(__file__).parents[2] / "src")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": path})
    assert 180_000_000 < int(done.stdout) < 260_000_000


def files(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> None:
    """Pretend that the system files hold these texts, and that four threads may be used."""
    monkeypatch.setattr(system, "_read", lambda path: answers.get(str(path), ""))
    monkeypatch.setattr(system.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)


def siblings(*groups: str) -> dict[str, str]:
    return {f"/sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": group for n, group in enumerate(groups)}


def test_hyperthreads_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    files(monkeypatch, siblings("0,2", "1,3", "0,2", "1,3"))
    assert (system.physical_cores(), system.logical_cores()) == (2, 4)


def test_unknown_topology_counts_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    files(monkeypatch, {})
    assert system.physical_cores() == 4


@pytest.mark.parametrize(("quota", "cores"), [("max 100000", 4), ("200000 100000", 2), ("50000 100000", 1), ("", 4)])
def test_container_quota(quota: str, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    files(monkeypatch, siblings("0", "1", "2", "3") | {"/sys/fs/cgroup/cpu.max": quota})
    assert system.physical_cores() == cores


def test_container_memory_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    files(monkeypatch, {"/sys/fs/cgroup/memory.max": "1048576"})
    assert system.memory_bytes() == 1048576
    files(monkeypatch, {"/sys/fs/cgroup/memory.max": "max"})
    assert system.memory_bytes() > 1048576
