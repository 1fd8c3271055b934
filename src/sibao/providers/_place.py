"""Where a hosted model is asked: the base URL, checked, and whether it may be asked at all while Sibao is offline."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from sibao.core.config import settings
from sibao.core.errors import BadInput, ProviderError

_WHERE = re.compile(r"(\[[0-9A-Fa-f:.]+(%\w+)?\]|[\w.-]+)(:\d*)?")
"""Host and port. Readers of URLs differ in what they make of anything else (``[::1].example``), and it decides who is asked."""


@dataclass(frozen=True)
class Place:
    """A base URL without a slash at its end. ``here``: it leads to this machine."""

    base: str
    host: str
    here: bool


def place_of(url: str, what: str) -> Place:
    """The place that a URL names; ``what`` says where the URL stands.

    Raises:
        BadInput: no http(s) URL, or one with a password, a query or a fragment in it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    plain = host is not None and _WHERE.fullmatch(parts.netloc.rpartition("@")[2])
    if (
        host is None
        or not plain
        or parts.scheme not in ("http", "https")
        or any(c.isspace() or not c.isprintable() for c in url)
    ):
        raise BadInput(f"{what} is {_shown(url)!r}, wanted the URL of a server", hint="http://host:port/v1")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise BadInput(
            f"{what} has more in it than host, port and path", hint="keys stand in the environment, never in a URL"
        )
    return Place(url.rstrip("/"), host, _is_here(host))


def _shown(url: str) -> str:
    """A URL for a message, without what stands before an @ or behind a question mark: it may be a key."""
    return re.split("[?#]", url.rpartition("@")[2])[0][:80]


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def from_environment(variable: str, default: str) -> Place:
    """The place that a variable names, else the provider's own.

    Raises:
        BadInput: as ``place_of``.
    """
    return place_of(os.environ.get(variable) or default, f"the variable {variable}")


def refuse_offline(name: str, place: Place) -> None:
    """Offline, nothing leaves this machine.

    Raises:
        ProviderError: the place is elsewhere, and the settings do not allow the network.
    """
    if settings().offline and not place.here:
        raise ProviderError(
            f"{name} answers at {place.host}, and Sibao is offline",
            hint="set SIBAO_OFFLINE=0 (or offline = false in config.toml): prompts then leave this machine",
        )
