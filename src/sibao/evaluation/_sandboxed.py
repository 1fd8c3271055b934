"""The first thing in a sandbox: takes its orders from standard input, sets limits and a hook, then runs the program.

``evaluation.sandbox`` starts it as a script, in a process of its own; nothing imports it. It uses the standard library alone.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

PROCESSES = 16
OPEN_FILES = 64
REFUSED = (
    "os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.spawn", "os.system",
    "subprocess.Popen", "pty.spawn", "socket.", "ctypes.", "sqlite3.connect", "signal.pthread_kill",
)  # fmt: skip
"""Audit events (docs.python.org/3/library/audit_events.html) that a program under test has no need of."""
CHANGES = (
    "os.chmod", "os.chown", "os.lchown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
    "os.truncate", "os.utime", "os.chflags", "os.setxattr", "os.removexattr",
)  # fmt: skip
"""Audit events that change files: only inside the folder. ``shutil`` is made of these."""
NO_FOLDER = ("os.truncate", "os.setxattr", "os.removexattr", "os.chflags", "os.lchown")
"""Those of them whose last argument is not the descriptor of a folder that paths begin from."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def limit(orders: dict[str, Any]) -> None:
    """Limits that hold for the process and all that come of it; what a system does not know is passed over."""
    wanted = {
        "RLIMIT_AS": orders["memory"], "RLIMIT_CPU": orders["cpu"], "RLIMIT_FSIZE": orders["file"], "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": PROCESSES, "RLIMIT_NOFILE": OPEN_FILES,
    }  # fmt: skip
    for name, most in wanted.items():
        with suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (most, most))


def guard(folder: Path) -> None:
    """A hook that refuses other programs, sockets, and changes outside ``folder``. It cannot be taken off again."""

    def within(path: Any, at: int = -1) -> bool:
        if isinstance(path, int):
            return True  # a file that is open already
        found = Path(os.fsdecode(path))
        if at >= 0:
            found = Path(f"/proc/self/fd/{at}").readlink() / found
        return found.resolve().is_relative_to(folder)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(REFUSED):
            raise PermissionError(f"{event} is not allowed in the sandbox")
        if event == "open":
            path, _, flags = args
            allowed = not (isinstance(flags, int) and flags & _WRITES) or path == os.devnull or within(path)
        elif event in CHANGES:
            at = -1 if event in NO_FOLDER else args[-1]
            allowed = all(within(path, at) for path in args if isinstance(path, str | bytes | os.PathLike))
        else:
            return
        if not allowed:
            raise PermissionError(f"{event} outside the sandbox's folder is not allowed")

    sys.addaudithook(hook)


def main() -> None:
    """Run the program of the command line; the word of the orders goes back when it is through."""
    orders = json.loads(sys.stdin.readline())
    limit(orders)
    guard(Path.cwd().resolve())
    runpy.run_path(sys.argv[1], run_name="__main__")
    sys.stdout.flush()
    os.write(orders["fd"], orders["word"].encode())


if __name__ == "__main__":
    main()
