"""Preference rows in their published forms: one prompt, the answer that was preferred and the one that was not.

Read are ``{"prompt", "chosen", "rejected"}`` as texts or messages (TRL), ``{"conversations", "chosen", "rejected"}`` with
``from`` and ``value`` (LLaMA-Factory), and ``{"chosen", "rejected"}`` as whole conversations that begin alike, as messages
or in the form of HH-RLHF (``Human:`` and ``Assistant:``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sibao.core.errors import DataError
from sibao.core.types import Message, Role, Row

ROLES: dict[str, Role] = {
    "system": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant",
}  # fmt: skip
_TURN = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")


@dataclass(frozen=True)
class Preference:
    """Turns up to the answer, and two answers."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str


def preference(row: Row) -> Preference:
    """The preference that a row holds.

    Raises:
        DataError: a field of the wrong type, an answer that is none, or two conversations that begin otherwise; names
            the field.
    """
    if "prompt" in row or "conversations" in row:
        prompt = _prompt(row)
        return _checked(Preference(prompt, _answer(row["chosen"], "chosen"), _answer(row["rejected"], "rejected")))
    chosen, rejected = (_turns(_split(row[name]), name) for name in ("chosen", "rejected"))
    if chosen[:-1] != rejected[:-1]:
        raise DataError("differs from rejected before its last turn", field="chosen", hint="name the prompt apart")
    last = [_answer([turns[-1]], name) for turns, name in ((chosen, "chosen"), (rejected, "rejected"))]
    return _checked(Preference(tuple(chosen[:-1]), *last))


def _checked(found: Preference) -> Preference:
    if not found.prompt or found.prompt[-1]["role"] != "user":
        raise DataError("wanted a user turn before the two answers", field="prompt")
    return found


def _prompt(row: Row) -> tuple[Message, ...]:
    name = "prompt" if "prompt" in row else "conversations"
    value = row[name]
    system = row.get("system")
    before = [{"role": "system", "content": system}] if system else []
    turns = [{"role": "user", "content": value}] if isinstance(value, str) else value
    if not isinstance(turns, list):
        raise DataError(f"wanted a text or a list of messages, got {type(turns).__name__}", field=name)
    return tuple(_turns([*before, *turns], name))


def _answer(value: Any, name: str) -> str:
    """An answer: a text, a message, or a list with one message."""
    if not isinstance(value, str):
        turns = _turns(value if isinstance(value, list) else [value], name)
        if len(turns) != 1 or turns[0]["role"] != "assistant":
            raise DataError(f"wanted one turn of the assistant, got {len(turns)} turns", field=name)
        value = turns[0]["content"]
    if not str(value).strip():
        raise DataError("got empty text, wanted an answer", field=name)
    return str(value)


def _split(value: Any) -> Any:
    """A conversation in HH-RLHF's form as turns; anything else as it is."""
    if not isinstance(value, str):
        return value
    parts = _TURN.split(value)
    roles = {"Human": "user", "Assistant": "assistant"}
    return [
        {"role": roles[who], "content": said.strip()} for who, said in zip(parts[1::2], parts[2::2], strict=True)
    ] or value


def _turns(value: Any, name: str) -> list[Message]:
    """Checked messages, from ``role`` and ``content`` or ``from`` and ``value``."""
    if not isinstance(value, list) or not value:
        raise DataError(f"wanted a list of messages, got {type(value).__name__}", field=name)
    found: list[Message] = []
    for i, turn in enumerate(value):
        who, said = (turn.get(a, turn.get(b)) for a, b in (("role", "from"), ("content", "value"))) \
            if isinstance(turn, dict) else (None, None)  # fmt: skip
        if not isinstance(who, str) or not isinstance(said, str):
            raise DataError(
                "wanted an object with the strings role and content (or from and value)", field=f"{name}[{i}]"
            )
        if who not in ROLES:
            raise DataError(f"got the role {who!r}, wanted one of {', '.join(ROLES)}", field=f"{name}[{i}]")
        found.append({"role": ROLES[who], "content": said})
    return found
