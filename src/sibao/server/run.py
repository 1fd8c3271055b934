"""Running the server: sockets, signals, and the lines that say how to use it."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn

from sibao.core.errors import BadInput
from sibao.server._protocol import BoundedProtocol
from sibao.server.app import create_app
from sibao.server.options import ServeOptions
from sibao.server.service import Service

LAST_WORDS = 5
"""Seconds for writing the answers, or the refusals, of requests that took all their time."""
CONNECTIONS = 2048


class Server(uvicorn.Server):
    """Listens while it drains, so that who comes is told to go elsewhere."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._late = math.inf

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether it ends. uvicorn would close the door at once."""
        ends = await super().on_tick(counter)
        patient = not self.force_exit and time.monotonic() < self._late
        return ends and not (patient and self._service.counters.at_work)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to end: nothing new is taken, what runs is finished."""
        if not self._service.draining:
            self._service.draining = True
            self._late = time.monotonic() + (self.config.timeout_graceful_shutdown or 0)
        super().handle_exit(sig, frame)
        self._captured_signals.clear()  # uvicorn would raise them again at the end, and the process would not exit with 0


def serve(options: ServeOptions, ready: Callable[[str], object] = lambda _: None) -> None:
    """Serve until a signal ends it; requests that run are finished first.

    Args:
        ready: called with the address once the port is bound.

    Raises:
        BadInput: the address cannot be bound.
    """
    app = create_app(options)
    bound = bind(options.host, options.port)
    config = uvicorn.Config(
        app, http=BoundedProtocol, log_level="warning", access_log=False, timeout_keep_alive=75,
        timeout_graceful_shutdown=drain_seconds(options), limit_concurrency=CONNECTIONS, server_header=False,
    )  # fmt: skip
    server = Server(config, app.state.service)
    logging.getLogger("uvicorn.error").addFilter(_unless_cut_short)
    ready(address(options.host, bound))
    with bound:
        server.run(sockets=[bound])


def _unless_cut_short(record: logging.LogRecord) -> bool:
    """Requests that a second Ctrl-C cuts short are no faults that anybody must read."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def drain_seconds(options: ServeOptions) -> int:
    """How long requests that run are waited for after SIGTERM: what was let in keeps all the time that it was promised."""
    return math.ceil(options.seconds) + LAST_WORDS


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        BadInput: the address is taken or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise BadInput(
            f"{host} port {port} cannot be listened at: {error.strerror or error}", hint="take another --port, or 0"
        ) from None
    made.listen(2048)
    return made


def address(host: str, bound: socket.socket) -> str:
    """Where to reach it."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{bound.getsockname()[1]}"
