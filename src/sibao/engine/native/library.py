"""Compiling and loading the kernels: once for each processor and version of the source, kept in the cache."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import time
from ctypes import POINTER, Structure, c_float, c_int, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path

from sibao.core.errors import ModelError
from sibao.core.paths import cache_dir

log = logging.getLogger("sibao.engine")
SOURCE = Path(__file__).parent
NO_COMPILER = "there is no C++ compiler (g++ or clang++)"
COMPILING = "they are being compiled"
PATIENCE = 600.0
"""Seconds after which a compilation that neither ended nor failed is begun anew, and one that failed too."""
CPUINFO = Path("/proc/cpuinfo")
FLAGS = ("-std=c++20", "-O3", "-march=native", "-pthread", "-fPIC", "-shared", "-Wno-psabi")


class Matrix(Structure):
    """``Matrix`` of matrix.h."""

    _fields_ = [
        ("kind", c_int32), ("n", c_int32), ("k", c_int32), ("flat", c_int32),
        ("data", c_void_p), ("scale", c_void_p), ("offset", c_void_p), ("bias", c_void_p),
    ]  # fmt: skip


class Norm(Structure):
    """``Norm`` of decoder.cpp."""

    _fields_ = [("weight", c_void_p), ("bias", c_void_p)]


ROTATIONS = ("cos", "sin", "local_cos", "local_sin")


class Layer(Structure):
    """``Layer`` of decoder.cpp."""

    _fields_ = [
        ("before", Norm), ("after_attention", Norm), ("before_feed", Norm), ("after_feed", Norm),
        ("query", Norm), ("key", Norm),
        ("qkv", Matrix * 3), ("out", Matrix), ("gate_up", Matrix * 2), ("down", Matrix),
        ("window", c_int32), ("local", c_int32), ("cache", c_void_p),
        ("before_cross", Norm), ("after_cross", Norm), ("cross_query", Matrix), ("cross", Matrix * 2), ("cross_out", Matrix),
    ]  # fmt: skip


class Model(Structure):
    """``Model`` of decoder.cpp."""

    _fields_ = [
        *[(n, c_int32) for n in ("layers", "D", "H", "K", "E", "N", "vocab", "rotated", "norm_kind", "activation")],
        ("gated", c_int32), ("cache_kind", c_int32),
        *[(n, c_float) for n in ("norm_eps", "scale", "attention_cap", "logit_cap", "embedding_scale")],
        ("tied_head", c_int32), ("block_bytes", c_int64), ("layer", POINTER(Layer)),
        *[(n, c_void_p) for n in ("embedding", "positions", *ROTATIONS)],
        ("last", Norm), ("head", Matrix), ("half_embedding", c_int32), ("norm_sums", c_int32),
        ("distances", c_void_p), ("reach", c_int64),
    ]  # fmt: skip


class Low(Structure):
    """``Low`` of decoder.cpp."""

    _fields_ = [("a", c_void_p), ("b", c_void_p), ("stretch", c_void_p), ("rank", c_int32), ("scale", c_float)]


class Batch(Structure):
    """``Batch`` of decoder.cpp."""

    _fields_ = [
        *[(n, c_int32) for n in ("tokens", "sequences", "table_width", "outputs")],
        *[(n, c_void_p) for n in ("ids", "at", "first", "blocks", "output", "hidden", "logits", "adapters")],
        ("rank", c_int32), ("source_width", c_int32),
        *[(n, c_void_p) for n in ("sees", "source_blocks", "source_length")],
    ]  # fmt: skip


def compiler() -> str | None:
    """The C++ compiler of this machine: ``CXX``, else g++ or clang++."""
    names = [name for name in (os.environ.get("CXX"), "g++", "clang++") if name]
    return next((found for name in names if (found := shutil.which(name))), None)


@cache
def missing() -> str:
    """Why there are no kernels here; empty where there are. The first time on a machine this compiles them, and waits."""
    path = _path()
    if not path.exists():
        found = compiler()
        if found is None:
            return NO_COMPILER
        log.warning("compiling the engine's kernels, once on this machine: half a minute")
        if problem := _compile(found, path):
            return f"{found} failed: {problem}"
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        return f"{path} cannot be loaded: {error}"
    return ""


def missing_now() -> str:
    """The same without waiting: what is still to be compiled is compiled by a process beside this one, which may outlive it."""
    path = _path()
    if path.exists():
        return missing()
    found = compiler()
    if found is None:
        return NO_COMPILER
    log_file = path.with_suffix(".log")
    if log_file.exists() and time.time() - log_file.stat().st_mtime < PATIENCE:
        said = log_file.read_text(encoding="utf-8", errors="replace").strip()
        return f"{found} failed: {said.splitlines()[0]}" if said else COMPILING
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}")
    command = shlex.join([found, *FLAGS, str(SOURCE / "decoder.cpp"), "-o", str(half)])
    words = f"nice -n 10 {command} && mv {shlex.quote(str(half))} {shlex.quote(str(path))} && rm -f {shlex.quote(str(log_file))}"
    with log_file.open("wb") as said_to:
        # the shell is done at once; what it started goes on, and its end is the file
        subprocess.run(
            ["sh", "-c", f"({words}) &"], stdout=said_to, stderr=said_to, start_new_session=True, check=False
        )
    log.info("the engine's kernels are being compiled, once on this machine; PyTorch's operators compute until then")
    return COMPILING


def ready() -> bool:
    """Whether the kernels are there now."""
    return _path().exists() and not missing()


@cache
def library() -> ctypes.CDLL:
    """The kernels.

    Raises:
        ModelError: there are none here.
    """
    if reason := missing():
        raise ModelError(f"the engine's kernels are not there: {reason}", hint="install g++, or use fp32 or bf16")
    found = ctypes.CDLL(str(_path()))
    found.sibao_work.restype = c_void_p
    found.sibao_free.argtypes = [c_void_p]
    found.sibao_forward.argtypes = [POINTER(Model), POINTER(Batch), c_void_p, c_int]
    found.sibao_remember.argtypes = [POINTER(Model), POINTER(Batch), c_void_p, c_void_p, c_int]
    found.sibao_head.argtypes = [POINTER(Model), c_void_p, c_int, c_void_p, c_void_p, c_int]
    found.sibao_likeliest.argtypes = [c_void_p, c_int, c_int64, c_int, c_void_p, c_void_p, c_void_p, c_int]
    found.sibao_pack.argtypes = [c_int, c_void_p, c_int, c_int, c_int, c_void_p, c_void_p, c_void_p, c_int]
    found.sibao_panel_bytes.argtypes, found.sibao_panel_bytes.restype = [c_int, c_int], c_int64
    found.sibao_multiply.argtypes = [POINTER(Matrix), c_void_p, c_int, c_void_p, c_int]
    return found


@cache
def version() -> str:
    """Of the kernels and what they run on; what they packed can be read by the same version only."""
    digest = hashlib.sha256(" ".join((*FLAGS, _processor())).encode())
    for source in sorted([*SOURCE.glob("*.h"), *SOURCE.glob("*.cpp")]):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _path() -> Path:
    """Where the compiled kernels lie: beside their source, as Python keeps its own; else in the cache."""
    beside = SOURCE / "__pycache__"
    name = f"{version()}.so"
    if (beside / name).exists() or os.access(beside if beside.exists() else SOURCE, os.W_OK):
        return beside / name
    return cache_dir() / "kernels" / name


def _processor() -> str:
    """What decides which instructions may be used."""
    text = CPUINFO.read_text() if CPUINFO.exists() else ""
    flags = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")
    return f"{platform.system()} {platform.machine()} {platform.processor()} {flags}"


def _compile(compiler: str, path: Path) -> str:
    """Compile into the cache; what went wrong, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        made = Path(place) / path.name
        command = [compiler, *FLAGS, str(SOURCE / "decoder.cpp"), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["no message"])[0]
        made.replace(path)
    return ""
