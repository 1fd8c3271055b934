"""Keys of hosted models: from the environment, else from the system's keyring; never shown.

``keyring set sibao OPENAI_API_KEY`` keeps a key there (``pip install 'sibao[keyring]'``). A key is read when a request is
signed, so that a token that was renewed in the environment of this process is used at once.
"""

from __future__ import annotations

import html
import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from sibao.core.errors import BadInput, ProviderError

SERVICE = "sibao"
"""Under this name keys stand in the keyring, each with its variable's name (or a server's URL) as the user."""


@dataclass(frozen=True)
class Key:
    """Which key signs requests, and how. ``variables`` are tried in turn; ``place``: a URL that the keyring may know."""

    variables: tuple[str, ...]
    header: str = "Authorization"
    scheme: str = "Bearer "
    needed: bool = True
    place: str = ""

    @property
    def names(self) -> str:
        """What the user sets."""
        return " or ".join(self.variables)

    def headers(self) -> dict[str, str]:
        """The header that signs a request; none where there is no key and none is needed.

        Raises:
            ProviderError: a key is needed, and there is none. BadInput: one that no header can carry.
        """
        value = self._value()
        return {self.header: self.scheme + value} if value else {}

    def hide(self, text: str) -> str:
        """A text (a server's message, say) without the key, however its characters are written: plain, or as JSON, URLs and
        HTML escape them."""
        try:
            value = self._value()
        except (BadInput, ProviderError):
            return text
        return re.sub("".join(map(_spellings, value)), "[key]", text) if len(value) > 3 else text

    def _value(self) -> str:
        # a server's own entry in the keyring comes first: a key is then sent to nobody else
        value = (self.place and _from_keyring(self.place)) or next(filter(None, map(_found, self.variables)), "")
        if not value and self.needed:
            raise ProviderError(
                f"no key: the variable {self.names} is not set",
                hint=f"export {self.variables[0]}=..., or keep it with: keyring set {SERVICE} {self.variables[0]}",
            )
        if not value.isascii() or not all("!" <= char <= "~" for char in value):
            raise BadInput(f"the key in {self.names} holds characters that no key has", hint="copy it again")
        return value


def _spellings(char: str) -> str:
    """A pattern of one character of a key."""
    code, named = ord(char), re.escape(html.escape(char))
    return rf"(?:\\?{re.escape(char)}|{named}|(?i:\\u00{code:02x}|%{code:02x}|&#x0*{code:x};)|&#0*{code};)"


def _found(variable: str) -> str:
    return os.environ.get(variable, "").strip() or _from_keyring(variable)


@cache
def _from_keyring(name: str) -> str:
    """A password of the system's keyring; empty where there is no such package, keyring or entry."""
    if find_spec("keyring") is None:
        return ""
    import keyring
    from keyring.errors import KeyringError

    try:
        return (keyring.get_password(SERVICE, name) or "").strip()
    except (KeyringError, RuntimeError, OSError):  # no keyring runs here, or it is locked
        return ""
