"""Connections to one place: the key goes on a request as it leaves, and what comes back is as it was sent."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import httpx2

from sibao import __version__
from sibao.providers._keys import Key
from sibao.providers._place import Place


def client(key: Key, place: Place, trusted: ssl.SSLContext) -> httpx2.Client:
    """A client with one connection at most, which follows no redirect."""
    return httpx2.Client(
        auth=_signer(key), trust_env=not place.here, follow_redirects=False, verify=trusted,
        limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1),
        headers={"User-Agent": f"sibao/{__version__}", "Accept-Encoding": "identity"},
    )  # fmt: skip


def packed(response: httpx2.Response) -> str:
    """How the body is compressed; empty where it is not."""
    packing: str = response.headers.get("content-encoding", "").strip()
    return "" if packing.lower() == "identity" else packing


def host_of(url: str) -> str:
    """The host of an address that a server names, for a message."""
    try:
        return httpx2.URL(url).host or "nowhere"
    except httpx2.InvalidURL:
        return "an address that is none"


def _signer(key: Key) -> Callable[[httpx2.Request], httpx2.Request]:
    """Puts the key on a request as it leaves; the client itself, which might be shown, holds none."""

    def sign(request: httpx2.Request) -> httpx2.Request:
        request.headers.update(key.headers())
        return request

    return sign
