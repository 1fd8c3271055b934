"""Running a program that a model wrote: in a process of its own, with limits, and only where the user allowed it.

What holds it: a fresh folder that is its only place to write in, an empty environment, limits of time, memory, file size and
processes, a hook that refuses other programs, sockets and writes elsewhere (``_sandboxed``), and, where the system lets
``unshare`` make them, namespaces without a network and in which everything dies with the program. It is a guard
against what generated programs do by accident; against one that is written to break out, use a machine of its own.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from sibao.core.errors import BadInput

OUTPUT_BYTES = 64 << 10
"""Of what a program prints, so much is kept."""
FILE_BYTES = 4 << 20
"""The longest file that it may write, what it prints included."""
NAMESPACES = ("unshare", "--user", "--net", "--pid", "--fork", "--kill-child")
_LAUNCHER = Path(__file__).with_name("_sandboxed.py")
_permitted: ContextVar[bool] = ContextVar("run_code", default=False)


@dataclass(frozen=True)
class Ran:
    """What became of a program.

    ``passed``: it ran to its end, without an error and without leaving early. ``how``: the end, a fault (an exception, a
    limit, an early exit) or the clock. ``output`` holds what it printed, cut to ``OUTPUT_BYTES``. ``network`` says whether it
    had one: no namespace could be made.
    """

    passed: bool
    how: Literal["end", "fault", "time"]
    output: str
    seconds: float
    network: bool


@contextmanager
def permission(granted: bool = True) -> Iterator[None]:
    """Inside, programs that a model wrote may run, or may not."""
    token = _permitted.set(granted)
    try:
        yield
    finally:
        _permitted.reset(token)


def require(what: str) -> None:
    """Refuse early what would run generated programs without permission.

    Raises:
        BadInput: there is none.
    """
    if not _permitted.get():
        raise BadInput(
            f"{what} runs programs that the model writes, which was not allowed",
            hint="add --run-code: they run in a sandbox that guards against accidents, not against attacks",
        )


@functools.cache
def namespaces() -> tuple[str, ...]:
    """The command before a program that takes the network away; empty where the system does not let us."""
    if not shutil.which(NAMESPACES[0]):
        return ()
    tried = subprocess.run([*NAMESPACES, "true"], capture_output=True, timeout=10, check=False)
    return NAMESPACES if tried.returncode == 0 else ()


def run(program: str, *, timeout: float = 5.0, memory: int = 512 << 20) -> Ran:
    """Run a Python program; ``timeout`` in seconds of the clock, ``memory`` in bytes of address space.

    Raises:
        BadInput: not permitted, or a system without the limits (Windows).
    """
    require("this")
    if os.name != "posix":
        raise BadInput("the sandbox needs a POSIX system", hint="use Linux, macOS or WSL")
    with (
        tempfile.TemporaryDirectory(prefix="sibao-run-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as printed,
    ):
        path = Path(folder) / "program.py"
        path.write_text(program, encoding="utf-8", errors="backslashreplace")
        begun = time.monotonic()
        how = _start(path, printed, timeout, memory)
        seconds = time.monotonic() - begun
        printed.seek(0)
        output = printed.read(OUTPUT_BYTES).decode("utf-8", "replace")
    return Ran(how == "end", how, output, seconds, network=not namespaces())


def _start(path: Path, printed: IO[bytes], timeout: float, memory: int) -> Literal["end", "fault", "time"]:
    """One process and its end. A word that only the launcher knows comes back over a pipe when the program is through, so
    that leaving early with code 0 is no success."""
    word = secrets.token_hex(16)
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    orders = {"word": word, "fd": writing, "memory": memory, "cpu": int(timeout) + 1, "file": FILE_BYTES}
    try:
        process = subprocess.Popen(
            [*namespaces(), *_python(), str(_LAUNCHER), str(path)],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=printed,
            cwd=path.parent,
            env=_environment(path.parent),
            pass_fds=(writing,),
            start_new_session=True,
        )
        late = _wait(process, json.dumps(orders).encode(), timeout)
        with suppress(BlockingIOError):
            if os.read(reading, len(word)) == word.encode() and not late:
                return "end"
        return "time" if late else "fault"
    finally:
        os.close(reading)
        os.close(writing)


def _wait(process: subprocess.Popen[bytes], orders: bytes, timeout: float) -> bool:
    """Whether the time ran out. Whatever is left of the process and its children is killed."""
    try:
        process.communicate(orders, timeout=timeout)
        return False
    except subprocess.TimeoutExpired:
        return True
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin:
            process.stdin.close()


def _python() -> list[str]:
    """Python without site packages, user files or the launcher's folder on its path: ``-I``, but that a set's order stays the
    same from run to run (``PYTHONHASHSEED``, which ``-I`` ignores)."""
    return [sys.executable, "-s", "-S", "-P", "-B", "-X", "utf8"]


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONHASHSEED": "0",
    }
