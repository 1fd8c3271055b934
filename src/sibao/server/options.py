"""What one server is told to do. Defaults are safe: loopback only, bounded everywhere, no text in logs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ServeOptions:
    """One server.

    Args:
        models: names that are served; the first one answers where none is named. Others of ``catalogue`` are not loaded.
        any_model: also models that are not listed, by any name that ``sibao.load`` takes. A stranger may then load what
            lies on this machine's disk, so it is for oneself alone.
        loading: how models are loaded: ``precision``, ``threads`` ... of ``providers.load.load``.
        memory_bytes: that all loaded models may take together; the one unused for longest is put away.
        queue: requests that may wait for one model beyond those that it works on; more are refused with 429.
        seconds: longest time of one request.
        body_bytes: largest body of a request; files of the page's Data room may have ``file_bytes``.
        keys: file of hashed API keys; then each caller needs one. None: no key is asked for.
        origins: web pages of other hosts that may ask (CORS); none.
        audit: file that gets one JSON line a request. ``audit_text``: with the prompts and answers, cut at some length.
    """

    models: tuple[str, ...] = ("mini",)
    any_model: bool = False
    host: str = "127.0.0.1"
    port: int = 8000
    loading: dict[str, Any] = field(default_factory=dict)
    memory_bytes: int | None = None
    queue: int = 64
    seconds: float = 600.0
    body_bytes: int = 8 << 20
    file_bytes: int = 64 << 20
    keys: Path | None = None
    origins: tuple[str, ...] = ()
    audit: Path | None = None
    audit_text: bool = False

    def __post_init__(self) -> None:
        if not self.models:
            raise BadInput("no model was named", hint="give --model NAME, for example --model mini")
        if self.audit_text and self.audit is None:
            raise BadInput("audit_text has no file to go to", hint="give --audit FILE too")
        if self.memory_bytes is not None and self.memory_bytes <= 0:
            raise BadInput(f"memory_bytes is {self.memory_bytes}, wanted more than 0")
        for name, least, most in (("queue", 0, 1e6), ("body_bytes", 1024, 1e12), ("seconds", 0.1, 1e6)):
            if not least <= getattr(self, name) <= most:
                raise BadInput(f"{name} is {getattr(self, name)}, wanted {least} to {most:g}")
        if not 0 <= self.port < 65536:
            raise BadInput(f"port is {self.port}, wanted 0 (any free one) to 65535")

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK
