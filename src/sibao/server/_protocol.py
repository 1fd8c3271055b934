"""uvicorn's HTTP with bounds that its fast parser lacks: the size of a request's headers, and the time that they may take."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEADER_BYTES = 64 << 10
"""Request line and headers of one request."""
HEADER_SECONDS = 10.0
"""From the first byte of a request, or of a connection, to the end of its headers."""


class BoundedProtocol(HttpToolsProtocol):
    """Sends away who sends too many headers, or too slowly."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._size, self._refused = 0, False
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Headers must come now."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes. What the parser takes as a header name by and by counts too."""
        if self._refused:
            return
        waiting = self._late is not None
        super().data_received(data)
        if waiting and self._late is not None:
            self._size += len(data)
            if self._size > HEADER_BYTES:
                self._refuse(431)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if self._late is None:
            self._expect()

    def on_headers_complete(self) -> None:
        """The body may take its own time (``limits``)."""
        self._arrived()
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > HEADER_BYTES:
            self._refuse(431)
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body, of a request that was taken."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a request that was taken."""
        if not self._refused:
            super().on_message_complete()

    def _expect(self) -> None:
        self._size = 0
        self._late = self.loop.call_later(HEADER_SECONDS, self._refuse, 408)

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self, status: int) -> None:
        self._arrived()
        self._refused = True
        if not self.transport.is_closing():
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
