"""Gemini's ``generateContent``, at once or streamed.

https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from sibao.core.errors import BadInput
from sibao.core.types import Delta
from sibao.server._gemini_read import Request as Asked
from sibao.server._gemini_read import read
from sibao.server._gemini_schema import Ask
from sibao.server._gemini_told import ERRORS, SHOWN, AnswerOut
from sibao.server._gemini_wire import Said, answer, served_name
from sibao.server._sse import Pieces, data, described, events, quoted
from sibao.server._tools import Sieve, read_calls
from sibao.server.service import TheService

router = APIRouter(tags=["gemini"])
PLACES = ("/v1beta/models", "/v1/models")
STREAMED = described("Events (`alt=sse`), or a list that grows.") | ERRORS


async def generate(request: Request, model: str, body: Ask, service: TheService) -> dict[str, Any]:
    """The whole answer, or several."""
    async with await service.turn(request, served_name(service, model)) as turn:
        asked = await turn.in_thread(read, body, turn.guest.model)
        done = await turn.complete(asked.each())
        said = [Said(_parts(one.text, asked), one, asked.logprobs) for one in done]
        return answer(turn.model, secrets.token_urlsafe(12), said)


async def stream(
    request: Request, model: str, body: Ask, service: TheService,
    alt: Annotated[Literal["sse", "json"], Query(description="Events, or one JSON list.")] = "json",
) -> Response:  # fmt: skip
    """The answer piece by piece."""
    async with await service.turn(request, served_name(service, model)) as turn:
        asked = await turn.in_thread(read, body, turn.guest.model)
        if asked.many > 1:
            raise BadInput(f"candidateCount is {asked.many}, one answer is streamed", hint="use generateContent")
        deltas = await turn.stream(asked.prompt, asked.options)
        wire = _Wire(turn.model, asked)
        if alt == "sse":
            return events(turn, wire.events(deltas))
        grown = _Grown()
        return events(turn, grown.pieces(wire.events(deltas)), media="application/json", failed=grown.failed)


for place in PLACES:
    path = place + "/{model:path}"
    router.post(path + ":generateContent", summary="Generate", response_model=AnswerOut, **SHOWN)(generate)
    router.post(
        path + ":streamGenerateContent", summary="Generate, streamed", response_class=Response, responses=STREAMED
    )(stream)


def _parts(text: str, asked: Asked) -> list[dict[str, Any]]:
    """What is said: words, and calls where functions were named. One that was cut off is left out: its arguments are none."""
    said, calls = read_calls(text, asked.tools, must=asked.must_call) if asked.tools else (text, [])
    called = [{"functionCall": {"name": call.name, "args": call.arguments}} for call in calls if call.begun is None]
    return [*([{"text": said}] if said or not (called or asked.must_call) else []), *called]


class _Wire:
    """A streamed answer's events. Those in the middle are put together by hand, one a token."""

    def __init__(self, name: str, asked: Asked) -> None:
        self.asked, self.name, self.id = asked, name, secrets.token_urlsafe(12)
        tail = json.dumps({"modelVersion": name, "responseId": self.id}, ensure_ascii=False)[1:].encode(
            "utf-8", "replace"
        )
        self.head = b'data: {"candidates":[{"content":{"parts":[{"text":'
        self.tail = b'}],"role":"model"},"index":0}],' + tail + b"\n\n"

    async def events(self, deltas: AsyncGenerator[Delta]) -> Pieces:
        """One for each piece of text; the last one has the counts, and the calls that were held back."""
        sieve = Sieve() if self.asked.tools else None
        async for delta in deltas:
            text = delta.text if sieve is None else sieve.push(delta.text)
            if delta.completion is None:
                if text:
                    yield self.head + quoted(text) + self.tail
                continue
            parts = [{"text": text}] if sieve is None else _parts(text + sieve.held, self.asked)
            yield data(answer(self.name, self.id, [Said(parts, delta.completion, self.asked.logprobs)]))


class _Grown:
    """The same as one JSON list, for clients that do not ask for events."""

    def __init__(self) -> None:
        self.before = b"["

    async def pieces(self, events: Pieces) -> Pieces:
        """The list, item by item."""
        async for event in events:
            yield self._item(event)
        yield b"]" if self.before == b"," else b"[]"

    def failed(self, body: dict[str, Any]) -> bytes:
        """The last item, where it went wrong."""
        return self._item(data(body)) + b"]"

    def _item(self, event: bytes) -> bytes:
        before, self.before = self.before, b","
        return before + event.removeprefix(b"data: ").removesuffix(b"\n\n") + b"\n"
