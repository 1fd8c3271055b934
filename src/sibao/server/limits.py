"""Bounds that hold before a request is looked at: sizes, hosts, and the time its body may take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sibao.core.errors import Refused
from sibao.server._json_body import fault
from sibao.server.errors import answer, path_of, protocol, told
from sibao.server.options import LOOPBACK
from sibao.server.service import Service

BODY_SECONDS = 30.0
"""A client that takes longer to send what it asks is sent away."""
WATCHED = ("/health", "/ready", "/metrics")
"""What is still answered while the server drains."""


class Limits:
    """Refuses what is too large, too slow, too deep, or meant for another host (DNS rebinding), and all that is new while the
    server drains."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service, self.options = app, service, service.options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        try:
            self._check_host(request)
            if self.service.draining and path_of(request) not in WATCHED:
                raise Refused(503, "the server is ending", hint="ask another one, or this one in a minute", seconds=30)
            body = await self._body(request, receive)
        except Refused as error:
            status, content = told(error, protocol(request))
            await answer(request, status, content, error.seconds)(scope, receive, send)
            return
        if scope["method"] == "HEAD" and not path_of(request).startswith("/api/"):
            scope = {**scope, "method": "GET"}  # the same head; nothing of the body is sent
        await self.app(scope, _replayed(body, receive), send)

    def _check_host(self, request: Request) -> None:
        """Pages of other sites may reach a loopback server through a name of theirs; it must not answer to that name."""
        if not self.options.local:
            return
        host = request.headers.get("host", "")
        with suppress(ValueError):  # half a bracket is no host
            host = urlsplit(f"//{host}").hostname or ""
        if host not in LOOPBACK:
            raise Refused(403, f"this server is not {host[:80]!r}", hint="call it localhost or 127.0.0.1")

    async def _body(self, request: Request, receive: Receive) -> bytes:
        most = self.options.file_bytes if path_of(request).startswith("/api/data") else self.options.body_bytes
        declared = request.headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()) or int(declared) > most:
            raise Refused(
                413, f"the body has {declared[:20]} bytes, at most {most} are taken", hint="send less at once"
            )
        try:
            async with asyncio.timeout(BODY_SECONDS + most / 1e6):
                body = await _read(receive, most)
        except TimeoutError:
            raise Refused(408, "the body did not come in time") from None
        if (coded := request.headers.get("content-encoding", "identity").lower()) not in ("identity", ""):
            raise Refused(415, f"the body is compressed ({coded[:80]}), which is not taken", hint="send it as it is")
        if "json" in request.headers.get("content-type", "json") and (why := fault(body)):
            raise Refused(400, why)
        return body


async def _read(receive: Receive, most: int) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the connection was closed before the body was there")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise Refused(413, f"the body has more than {most} bytes", hint="send less at once")
        if not message.get("more_body"):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """What was read, and then what comes: that the client has gone, say."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
