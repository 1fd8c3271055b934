"""Clients that cost next to nothing: HTTP by hand over asyncio, so that on few cores the server is measured and not they."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

SECONDS = 1200.0
"""A server that answers one after another takes minutes for 32 clients of a 0.6B model."""


@dataclass(frozen=True)
class Reply:
    """One streamed completion: seconds to the first token and to the end, tokens, and its text."""

    first: float
    whole: float
    tokens: int
    text: str


async def complete(port: int, model: str, prompt: str, new: int, seed: int = 0) -> Reply:
    """One request to ``/v1/completions``.

    Raises:
        RuntimeError: the server refused it or broke off.
    """
    asked = {
        "model": model, "prompt": prompt, "max_tokens": new, "temperature": 0, "stream": True, "seed": seed,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    begun = time.perf_counter()
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        try:
            writer.write(_request(json.dumps(asked).encode(), port))
            status = await reader.readline()
            if b" 200 " not in status:
                raise RuntimeError(f"{status!r}: {(await reader.read(500))[-300:]!r}")
            return await _read(reader, begun, new)
        finally:
            writer.close()


def _request(body: bytes, port: int) -> bytes:
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


async def _read(reader: asyncio.StreamReader, begun: float, new: int) -> Reply:
    """Events up to ``[DONE]``, or to the end of the answer after a reason to finish, which is all that Transformers' server
    sends. The pieces of HTTP's chunked form hold no line that begins as an event does."""
    first, parts, pieces, reason, counted = 0.0, list[str](), 0, None, None
    while line := await reader.readline():
        if not line.startswith(b"data:"):
            continue
        said = line[5:].strip()
        if said == b"[DONE]":
            break
        event: dict[str, Any] = json.loads(said)
        if "error" in event:
            raise RuntimeError(str(event["error"])[:300])
        for choice in event.get("choices", []):
            first = first or time.perf_counter() - begun
            pieces += 1
            parts.append(choice.get("text") or "")
            reason = choice.get("finish_reason") or reason
        counted = (event.get("usage") or {}).get("completion_tokens", counted)
    else:
        if reason is None:
            raise RuntimeError("the stream was cut")
    tokens = counted if counted is not None else new if reason == "length" else pieces
    return Reply(first, time.perf_counter() - begun, tokens, "".join(parts))


async def load(port: int, model: str, prompts: list[str], new: int, clients: int) -> tuple[float, list[Reply]]:
    """Seconds, and the replies: so many clients take prompts from one list, each one after another.

    Raises:
        RuntimeError: one of them failed; the others stop.
    """
    left, replies = iter(prompts), list[Reply]()

    async def client() -> None:
        for prompt in left:
            replies.append(await complete(port, model, prompt, new))

    begun = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())
    except ExceptionGroup as failed:
        first = failed.exceptions[0]
        raise RuntimeError(str(first) or type(first).__name__) from failed
    return time.perf_counter() - begun, replies
