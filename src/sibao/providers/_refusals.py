"""What a server's refusal means: from a status and a body to the one exception tree."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sibao.core.errors import ContextOverflow, ProviderError, SibaoError

RETRYABLE = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Time-out, conflict, too early, too many, and faults of a server or of what stands before it."""
SHOWN = 500
"""Characters of a server's message that are passed on."""
_FINAL_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_OVERFLOW_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error", "ContextOverflow"})
# The sentences of OpenAI and those that copy it (vLLM, llama-cpp-python), of Gemini, and of Sibao's own server.
_OVERFLOWS = (
    re.compile(r"maximum context length is (?P<limit>\d+) tokens.*?(?:requested|resulted in|has) (?P<got>\d+)", re.S),
    re.compile(r"input token count \(?(?P<got>\d+)\)? exceeds the maximum number of tokens allowed \(?(?P<limit>\d+)"),
    re.compile(r"need (?P<got>\d+) tokens, the model holds (?P<limit>\d+)"),
    re.compile(r"[Rr]equested tokens \((?P<got>\d+)\) exceed context window of (?P<limit>\d+)"),
    re.compile(r"request \((?P<got>\d+) tokens\) exceeds the available context size \((?P<limit>\d+) tokens\)"),
)


@dataclass(frozen=True)
class Said:
    """What a refusal's body says, in whichever provider's form. ``wait``: seconds; ``status``: one that it repeats."""

    message: str
    code: str = ""
    status: int = 0
    wait: float | None = None


def said(body: str, hide: Callable[[str], str] = str) -> Said:
    """Read the body of a refusal; one that is no JSON is its own message. ``hide`` takes out what must not be shown: of what
    was read, since JSON may spell it in many ways, and before a long message is cut."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return Said(line(hide(re.sub(r"<[^>]*>", " ", body))))
    if isinstance(found, list) and found:  # Gemini's streams put it into a list
        found = found[0]
    if not isinstance(found, Mapping):
        return Said(line(hide(body)))
    inner = found.get("error", found)
    if not isinstance(inner, Mapping):
        return Said(line(hide(str(inner))))
    message = inner.get("message") or inner.get("detail") or inner.get("msg") or json.dumps(inner, ensure_ascii=False)
    code = inner.get("code") if isinstance(inner.get("code"), str) else inner.get("type") or inner.get("status")
    return Said(line(hide(str(message))), hide(str(code or "")), _status(inner), _delay(inner.get("details")))


def _status(inner: Mapping[str, Any]) -> int:
    """The status that a body repeats; 0 where it has none."""
    text = str(inner.get("code"))
    if re.fullmatch("[45][0-9][0-9]", text):
        return int(text)
    if inner.get("code") in _FINAL_CODES:
        return 429
    return 400 if inner.get("type") == "invalid_request_error" else 0


def _delay(details: Any) -> float | None:
    """Seconds of Google's RetryInfo."""
    for one in details if isinstance(details, list) else ():
        text = one.get("retryDelay") if isinstance(one, Mapping) else None
        if isinstance(text, str) and re.fullmatch(r"\d+(\.\d+)?s", text):
            return float(text[:-1])
    return None


def line(text: str) -> str:
    """A server's words on one line, not too long and without what steers a terminal."""
    flat = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return flat if len(flat) <= SHOWN else flat[:SHOWN] + " ..."


def refusal(who: str, status: int, told: Said, key_names: str) -> SibaoError:
    """The error that a refused request becomes; ``who`` names the model."""
    if (overflow := _overflow(told)) is not None:
        return overflow
    retryable = status in RETRYABLE and told.code not in _FINAL_CODES
    return ProviderError(
        f"{who}: {told.message or 'no reason given'} (status {status})",
        hint=_hint(status, told.code, key_names), retryable=retryable, status=status,
    )  # fmt: skip


def _overflow(told: Said) -> ContextOverflow | None:
    for pattern in _OVERFLOWS:
        if (match := pattern.search(told.message)) is not None:
            return ContextOverflow(int(match["got"]), int(match["limit"]))
    return None


def _hint(status: int, code: str, key_names: str) -> str:
    if code in _OVERFLOW_CODES:
        return "shorten the text, ask for fewer tokens, or use a model with a longer context"
    if code in _FINAL_CODES:
        return "the account has no credit left: see its billing page"
    if status in (401, 403):
        return f"check the key in {key_names}, and whether it may use this model"
    if status == 404:
        return "check the name of the model and the address of the server"
    return "try again later" if status in RETRYABLE else ""
