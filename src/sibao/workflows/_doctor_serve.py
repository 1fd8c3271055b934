"""What ``sibao serve`` needs: packages, the web page's files, a free port."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from sibao.workflows._doctor_check import Check

PACKAGES = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "httptools": "httptools",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus-client",
}
"""Modules and the packages that hold them."""
PAGE = Path(__file__).parents[1] / "server" / "page"
PORT = 8000
"""Where ``sibao serve`` listens when nobody names a port."""


def serve() -> Check:
    """The packages."""
    missing = [package for module, package in PACKAGES.items() if find_spec(module) is None]
    if missing:
        return Check("serve", "warn", f"not installed: {', '.join(missing)}", "pip install 'sibao[serve]'")
    return Check("serve", "ok", ", ".join(f"{package} {version(package)}" for package in PACKAGES.values()))


def page() -> Check:
    """The web page's files."""
    files = [path for path in PAGE.rglob("*") if path.is_file()]
    if not (PAGE / "index.html").is_file() or len(files) < 2:
        return Check("page", "warn", "the web page's files are not here", "run make web in a checkout")
    return Check("page", "ok", f"the web page, {sum(path.stat().st_size for path in files) / 1e3:.0f} kB")


def port() -> Check:
    """The usual port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be listened at: {error.strerror}"
            return Check("port", "warn", f"{PORT} {why}", "sibao serve --port 0 takes any free one")
    return Check("port", "ok", f"{PORT} is free")


CHECKS: tuple[Callable[[], Check], ...] = (serve, page, port)
