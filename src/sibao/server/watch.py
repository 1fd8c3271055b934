"""Counts and logs every request, around all else."""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sibao.core.errors import BadInput
from sibao.server.service import Service

log = logging.getLogger("sibao.server")


class Watch:
    """Gives each request an id, counts it, and writes a line of the audit log."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status, name = time.perf_counter(), 500, secrets.token_hex(8)
        audit: dict[str, Any] = scope.setdefault("audit", {})

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", name.encode())]
            await send(message)

        counters = self.service.counters
        counters.at_work += 1
        try:
            await self.app(scope, receive, sending)
        finally:
            counters.at_work -= 1
            seconds = time.perf_counter() - begun
            route = getattr(scope.get("route"), "path", "other")
            counters.requests.labels(route, str(status)).inc()
            counters.seconds.labels(route).observe(seconds)
            self._write(scope, {"id": name, "status": status, "seconds": round(seconds, 4), **audit})

    def _write(self, scope: Scope, record: dict[str, Any]) -> None:
        path = self.service.options.audit
        if path is None:
            return
        said = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": scope["method"],
            "path": scope["path"],
        }
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(said | record, ensure_ascii=False) + "\n")
        except OSError as error:
            log.error("the audit log cannot be written: %s", error)


def begin_audit(path: Path) -> None:
    """Make the file of the audit log, which only its owner can read, so that one that cannot be written is told at once.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    except OSError as error:
        raise BadInput(
            f"the audit log {path} cannot be written: {error.strerror}", hint="name another --audit"
        ) from None
