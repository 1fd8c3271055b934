"""What this machine gives: memory that is free, and how fast it multiplies. Measured once, then read from the cache."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from sibao.core.errors import SibaoError
from sibao.core.paths import cache_dir, write_text
from sibao.core.system import machine
from sibao.engine.native.library import missing
from sibao.engine.native.product import Product

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_MATRIX_BYTES = 128 * 2**20
"""Larger than any cache, so that a product with one vector is bound by memory."""


@dataclass(frozen=True)
class Place:
    """Memory in bytes. ``accelerators``: name and free memory of each GPU."""

    memory: int
    available: int
    disk: int
    accelerators: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Rates:
    """``bandwidth``: bytes of weights a second in a product with one vector. ``arithmetic``: floating-point operations a
    second in a product of two matrices."""

    precision: str
    bandwidth: float
    arithmetic: float


def look(folder: Path) -> Place:
    """Memory and disk of this machine; ``folder`` says which disk."""
    import psutil

    total = machine().memory_bytes
    found = []
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            found.append((torch.cuda.get_device_name(number), torch.cuda.mem_get_info(number)[0]))
    return Place(total, min(total, psutil.virtual_memory().available), shutil.disk_usage(folder).free, tuple(found))


def measure(precision: str) -> Rates:
    """How fast two products in that precision are on the threads that PyTorch has now.

    Timed once for each precision, number of threads, processor and version; kept in the cache beside ``base_bytes``.
    """
    file = cache_dir() / "rates.json"
    key = f"{_versions()} cpu {machine().cpu} of {machine().cores} cores"
    own = f"{precision} on {torch.get_num_threads()} threads"
    known = _known(file, key)
    try:
        found = Rates(precision, float(known[own]["bandwidth"]), float(known[own]["arithmetic"]))
        if found.bandwidth > 0 and found.arithmetic > 0:
            return found
    except (ValueError, KeyError, TypeError):
        pass
    found = _timed(precision)
    speeds = {"bandwidth": found.bandwidth, "arithmetic": found.arithmetic}
    write_text(file, json.dumps({key: {**known, own: speeds}}) + "\n")
    return found


def _versions() -> str:
    return f"python {machine().python} torch {torch.__version__} sibao {version('sibao')}"


def _known(file: Path, key: str) -> dict[str, Any]:
    """What a file of the cache holds under a key; nothing where it is missing, damaged or of another version."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _timed(precision: str) -> Rates:
    columns = 4096
    if precision not in DTYPES:
        return _timed_integers(precision, columns)
    dtype = DTYPES[precision]
    matrix = torch.ones(_MATRIX_BYTES // dtype.itemsize // columns, columns, dtype=dtype)
    vector = torch.ones(1, columns, dtype=dtype)
    read = matrix.nbytes / _best(lambda: F.linear(vector, matrix))
    wide, many = matrix[:1024, :1024].contiguous(), torch.ones(256, 1024, dtype=dtype)
    work = 2 * many.numel() * wide.shape[0] / _best(lambda: F.linear(many, wide))
    return Rates(precision, read, work)


def _timed_integers(precision: str, columns: int) -> Rates:
    """The same two products on the engine's kernels; without those, in bfloat16 as the nearest that is known."""
    if missing():
        return replace(_timed("bf16"), precision=precision)
    threads = torch.get_num_threads()
    matrix = Product.blank(_MATRIX_BYTES // columns, columns, precision)
    vector = torch.ones(1, columns)
    read = matrix.nbytes / _best(lambda: matrix(vector, threads))
    wide, many = Product.blank(1024, 1024, precision), torch.ones(256, 1024)
    return Rates(precision, read, 2 * many.numel() * 1024 / _best(lambda: wide(many, threads)))


def _best(work: Callable[[], object], runs: int = 4) -> float:
    """Shortest time of a few runs, the first not counted: others may want the machine too."""
    work()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return max(min(times), 1e-9)


def base_bytes() -> dict[str, int]:
    """Memory of the interpreter, PyTorch and Sibao themselves while they answer and while they train, in bytes.

    Measured in processes of their own on a model of a few kilobytes, once for each version; kept in the cache.
    """
    file = cache_dir() / "base-memory.json"
    key = _versions()
    known = _known(file, key)
    try:
        return {kind: int(known[kind]) for kind in ("inference", "training")}
    except (ValueError, KeyError, TypeError):
        pass
    found = {kind: _base(kind) for kind in ("inference", "training")}
    write_text(file, json.dumps({key: found}) + "\n")
    return found


def _base(kind: str) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "sibao.choosing.smallest", kind], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SibaoError(f"the memory of a smallest process could not be measured: {done.stderr.strip()[-300:]}")
    return int(done.stdout.split()[-1])
