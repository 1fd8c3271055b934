"""Running the command line: in this process, and as a real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sibao.cli.main import app

ROOT = Path(__file__).parents[2]
Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a home of its own, and no setting from outside."""
    for name in [name for name in os.environ if name.startswith("SIBAO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def run() -> Run:
    """``run("translate", "你好", stdin="...")`` gives the result with exit_code, stdout and stderr."""
    return lambda *args, stdin=None: CliRunner().invoke(app, list(args), input=stdin)


@pytest.fixture
def run_json(run: Run) -> Run:
    """The JSON object of a command that goes well."""

    def call(*args: str, stdin: str | None = None) -> dict[str, Any]:
        done = run(*args, "--json", stdin=stdin)
        assert done.exit_code == 0, done.stdout + done.stderr
        assert done.stdout.count("\n") == 1
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return call


def command(args: Sequence[str]) -> list[str]:
    """How the program is started."""
    return [sys.executable, "-m", "sibao", *args]


def environment(**values: str) -> dict[str, str]:
    """That of this process with the package on the path."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", **values}


@pytest.fixture
def spawn() -> Run:
    """The same as a real process, bytes in and out."""

    def call(*args: str, stdin: bytes = b"", **values: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command(args), input=stdin, capture_output=True, env=environment(**values), timeout=120, check=False
        )

    return call
