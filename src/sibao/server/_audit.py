"""The texts of one request as its line of the audit log holds them, where it is told to: prompts and what was answered."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from sibao.core.types import Delta, Message
from sibao.providers.local import is_tokens
from sibao.server.desk import Asked

MOST, LONGEST = 32, 4000
"""Answers of one line, and characters of each text in it; what is beyond them is counted."""


def note(audit: dict[str, Any], model: Any, asked: Asked, answer: str) -> None:
    """Keep a prompt of a model and its answer."""
    texts: list[dict[str, str]] = audit.setdefault("texts", [])
    if len(texts) < MOST:
        texts.append({"prompt": _cut(_plain(model, asked)), "answer": _cut(answer)})
    else:
        audit["texts_left_out"] = audit.get("texts_left_out", 0) + 1


async def noted(
    audit: dict[str, Any], model: Any, asked: Asked, pieces: AsyncGenerator[Delta]
) -> AsyncGenerator[Delta]:
    """The same pieces; what was written, even if not to the end, is kept."""
    written = list[str]()
    async with aclosing(pieces):
        try:
            async for delta in pieces:
                written.append(delta.text)
                yield delta
        finally:
            note(audit, model, asked, "".join(written))


def _plain(model: Any, asked: Asked) -> str:
    """A prompt as one text: turns with their roles, pictures and films by their kind, tokens as what they stand for."""
    if isinstance(asked, str):
        return asked
    if is_tokens(asked):
        return str(model.tokenizer.decode(asked, skip_special=False))
    return "\n".join(f"{turn['role']}: {_said(turn['content'])}" for turn in cast(list[Message], asked))


def _said(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] if part.get("type") == "text" else f"[{part.get('type')}]" for part in content)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST} more)"
