"""The servers that are compared: how each is started, on two threads, with the same weights."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engines.files import NotRun, prepared, python_of
from engines.shapes import PLACE, Shape, folder_of

PATIENCE = 240.0


@dataclass(frozen=True)
class Kind:
    """``form``: of the weights, as ``engines.files.prepared`` names it; ``words``: the command, ``{folder}``, ``{port}`` and
    ``{threads}`` filled in."""

    name: str
    title: str
    peer: str
    form: str
    words: tuple[str, ...]


KINDS = (
    Kind("sibao-int8", "Sibao int8", "sibao", "hf",
         ("-m", "sibao", "serve", "--model", "it={folder}", "--port", "{port}", "--precision", "int8")),
    Kind("sibao-fp32", "Sibao fp32", "sibao", "hf",
         ("-m", "sibao", "serve", "--model", "it={folder}", "--port", "{port}", "--precision", "fp32")),
    Kind("transformers", "transformers serve", "transformers", "hf",
         ("-m", "transformers.cli.transformers", "serve", "{folder}", "--port", "{port}", "--device", "cpu",
          "--dtype", "float32")),
    Kind("transformers-cb", "transformers serve, continuous batching", "transformers", "hf",
         ("-m", "transformers.cli.transformers", "serve", "{folder}", "--port", "{port}", "--device", "cpu",
          "--dtype", "float32", "--continuous-batching")),
    Kind("llama", "llama-cpp-python q8_0", "llama", "gguf-q8_0",
         ("-m", "llama_cpp.server", "--model", "{folder}", "--port", "{port}", "--n_threads", "{threads}",
          "--n_threads_batch", "{threads}", "--n_ctx", "2048", "--model_alias", "it")),
)  # fmt: skip


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(kind: Kind, shape: Shape, threads: int, log: Path) -> Iterator[tuple[int, str, int]]:
    """A server as a process: its port, the name that it knows the model by, and the number of the process.

    Raises:
        NotRun: it is not installed, or does not start.
    """
    folder = str(folder_of(shape) if kind.form == "hf" else prepared(shape, kind.form))
    port = free_port()
    words = [word.format(folder=folder, port=port, threads=threads) for word in kind.words]
    kept = PLACE / "hub"  # Transformers' server fails where its cache has no folder yet
    kept.mkdir(parents=True, exist_ok=True)
    chosen = {
        "OMP_NUM_THREADS": str(threads),
        "SIBAO_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(kept),
    }
    python = sys.executable if kind.peer == "sibao" else str(python_of(kind.peer))
    with log.open("wb") as said:
        process = subprocess.Popen([python, *words], env=os.environ | chosen, stdout=said, stderr=said)
    try:
        _wait(port, process, log)
        yield port, folder if kind.peer == "transformers" else "it", process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            lines = log.read_text(errors="replace").strip().splitlines()
            raise NotRun(f"it ended: {lines[-1] if lines else 'no message'}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise NotRun(f"it did not listen after {PATIENCE:g} s")
