"""Server-sent events: an answer piece by piece, and what becomes of it when something goes wrong after the first byte.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from sibao.core.errors import SibaoError
from sibao.server.errors import body, protocol, told
from sibao.server.service import Turn

log = logging.getLogger("sibao.server")
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
MEDIA = "text/event-stream"
DONE = b"data: [DONE]\n\n"
Pieces = AsyncGenerator[bytes]
"""Whole events, as they go over the wire: ``data: {...}`` and an empty line."""


def described(what: str) -> dict[int | str, dict[str, Any]]:
    """For the document of the interface: a response that may be events."""
    return {200: {"description": what, "content": {MEDIA: {"schema": {"type": "string"}}}}}


def data(content: Any) -> bytes:
    """An event of a JSON value."""
    return (
        b"data: " + json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n\n"
    )


def quoted(text: str) -> bytes:
    """A JSON string, for events that are put together by hand (one a token: nothing else is fast enough)."""
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")


def events(
    turn: Turn, pieces: Pieces, *, media: str = MEDIA, failed: Callable[[dict[str, Any]], bytes] = data
) -> StreamingResponse:
    """A response of events, that takes the turn over: it is closed when the last one is sent or the client goes away.

    Use it within ``async with await service.turn(...) as turn``: what raises before is an HTTP status and closes the turn
    too. Let ``pieces`` read from what ``await turn.stream(...)`` gave; the turn closes that.

    Args:
        failed: makes the event of an error after the first byte, from the body that the protocol has for it.
    """
    return _Events(turn.handed_on(), pieces, media, failed)


class _Events(StreamingResponse):
    def __init__(self, turn: Turn, pieces: Pieces, media: str, failed: Callable[[dict[str, Any]], bytes]) -> None:
        self._turn, self._pieces = turn, pieces
        super().__init__(self._guarded(failed), media_type=media, headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them; whatever happens the model is free afterwards."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._pieces.aclose()
            await self._turn.close()

    async def _guarded(self, failed: Callable[[dict[str, Any]], bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces:
                yield piece
        except SibaoError as error:
            log.warning("a stream ended early: %s", error)
            yield failed(told(error, protocol(self._turn.request))[1])
        except Exception:  # a fault of the program: the status is sent already
            log.exception("a stream failed")
            yield failed(body(protocol(self._turn.request), 500, "the server failed; its log says why", kind="Error"))
