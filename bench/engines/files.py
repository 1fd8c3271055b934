"""The same weights in the form that each peer reads, converted once by the peer's own converter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from engines.shapes import PLACE, ROOT, Shape, folder_of

PEERS = ROOT / "build" / "peers"
RUNNERS = ROOT / "bench" / "peers"


class NotRun(Exception):
    """Why a cell of the table has no number: one short line without places of this machine."""

    def __init__(self, why: str) -> None:
        super().__init__(why.replace(f"{ROOT}{os.sep}", "").splitlines()[0][:160] if why else "no reason given")


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment.

    Raises:
        NotRun: it is not installed.
    """
    if peer == "sibao":
        return Path(sys.executable)
    found = PEERS / peer / "bin" / "python"
    if not (PEERS / peer / "installed").exists():
        raise NotRun("not installed (sh scripts/peers.sh)")
    return found


def prepared(shape: Shape, form: str) -> Path:
    """The model in a form: ``hf``, ``gguf-q8_0``, ``gguf-q4_0``, ``ct2-int8``, ``openvino-int8``, ``openvino-int4``.

    Raises:
        NotRun: the converter is missing or fails; its last line.
    """
    if form == "hf":
        return folder_of(shape)
    target = PLACE / shape.name / (f"{form}.gguf" if form.startswith("gguf") else form)
    if not target.exists():
        kind, _, weights = form.partition("-")
        half = target.with_name(f"half-{target.name}")
        _remove(half)
        _WRITERS[kind](shape, weights, half)
        half.rename(target)
    return target


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _gguf(shape: Shape, weights: str, target: Path) -> None:
    if weights not in ("q8_0", "fp16"):
        source = prepared(shape, "gguf-fp16")
        _call(python_of("llama"), RUNNERS / "run_llama.py", "quantize", source, target, weights)
        return
    folder = target.with_suffix(".export")
    _remove(folder)
    more = ["--format", "gguf", "--precision", weights, "--out", folder]
    _call(sys.executable, "-m", "sibao", "export", folder_of(shape), *more)
    next(folder.glob("*.gguf")).rename(target)
    _remove(folder)


def _ct2(shape: Shape, weights: str, target: Path) -> None:
    tool = python_of("ctranslate2").with_name("ct2-transformers-converter")
    _call(tool, "--model", folder_of(shape), "--output_dir", target, "--quantization", weights)


def _openvino(shape: Shape, weights: str, target: Path) -> None:
    tool = python_of("openvino").with_name("optimum-cli")
    more = ["--group-size", "32", "--sym"] if weights == "int4" else []
    task = ["--task", "text-generation-with-past", "--weight-format", weights]
    _call(tool, "export", "openvino", "--model", folder_of(shape), *task, *more, target)


_WRITERS: dict[str, Callable[[Shape, str, Path], None]] = {"gguf": _gguf, "ct2": _ct2, "openvino": _openvino}


def _call(*words: str | Path) -> None:
    """Run a converter.

    Raises:
        NotRun: it failed.
    """
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    print("preparing:", *words, file=sys.stderr)
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, env=offline)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        raise NotRun(f"not converted: {said[-1].strip()}")
