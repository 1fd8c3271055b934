"""Sibao's server as a real process on loopback, for tests of any package."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

MODELS = ("--model", "mini", "--model", "echo=mock:echo")
START_SECONDS = 120.0


@dataclass
class Served:
    """A running server: its address, its process, its home, and a client of it."""

    url: str
    process: subprocess.Popen[str]
    home: Path
    http: httpx.Client

    def post(self, path: str, body: Any = None, **how: Any) -> httpx.Response:
        """POST some JSON."""
        return self.http.post(path, json=body, **how)

    def metric(self, name: str) -> float:
        """A number of ``/metrics``, by its name and labels as they stand there."""
        for line in self.http.get("/metrics").text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise KeyError(name)

    def ends(self, seconds: float = 30.0) -> int:
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextmanager
def serving(home: Path, *flags: str, **environment: str) -> Iterator[Served]:
    """A server with these flags, until the block ends.

    Args:
        home: its ``SIBAO_HOME``.
    """
    env = {**os.environ, "SIBAO_HOME": str(home), "OMP_NUM_THREADS": "1", **environment}
    command = [sys.executable, "-m", "sibao", "serve", *(flags or MODELS), "--port", "0", "--json"]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=env)
        try:
            url = _address(process, errors)
            with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
                yield Served(url, process, home, client)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _address(process: subprocess.Popen[str], errors: IO[str]) -> str:
    """Where it says that it listens."""
    assert process.stdout is not None
    late = threading.Timer(START_SECONDS, process.kill)
    late.start()
    said = ""
    try:
        for line in process.stdout:
            said += line
            try:
                return str(json.loads(said)["address"])
            except ValueError:
                continue
    finally:
        late.cancel()
    errors.seek(0)
    raise AssertionError(f"the server did not start: {said}{errors.read()[-4000:]}")
