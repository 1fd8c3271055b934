"""A response in typed events, from ``response.created`` to ``response.completed``."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

from pydantic import BaseModel

from sibao.core.types import Completion, Delta, TokenLogprob
from sibao.server._openai_ask import new_id
from sibao.server._openai_chat_out import logprobs_of
from sibao.server._openai_prompt import Calling
from sibao.server._openai_responses_out import (
    OutputCall,
    OutputMessage,
    OutputText,
    ResponseOut,
    call,
    finished,
    message,
)
from sibao.server._sse import Pieces, quoted
from sibao.server._tools import Call, Sieve


class Script:
    """The events of one response, numbered."""

    def __init__(self, response: ResponseOut, may: Calling, *, logprobs: bool) -> None:
        self.response, self._may, self._logprobs = response, may, logprobs
        self._number, self._told, self._scores = 0, 0, list[TokenLogprob]()
        self._sieve = Sieve() if may.tools else None
        self._id, self._text, self._open = new_id("msg_"), "", False

    async def of(self, deltas: AsyncGenerator[Delta]) -> Pieces:
        """All of them."""
        for kind in ("created", "in_progress"):
            yield self._event(f"response.{kind}", response=self.response)
        completion: Completion | None = None
        async for delta in deltas:
            completion = delta.completion
            text = delta.text if self._sieve is None else self._sieve.push(delta.text)
            if self._logprobs:
                tokens = delta.logprobs if completion is None else completion.logprobs[self._told :]
                self._told += len(tokens)
                self._scores += tokens
            if text or (self._scores and self._open):
                for event in self._said(text):
                    yield event
        if completion is not None:
            for event in self._last(completion):
                yield event

    def failed(self, body: dict[str, Any]) -> bytes:
        """An error after the first byte."""
        error = body["error"]
        return self._event("error", code=error["code"], message=error["message"], param=error["param"])

    def _event(self, kind: str, **fields: Any) -> bytes:
        plain = {k: v.model_dump(mode="json") if isinstance(v, BaseModel) else v for k, v in fields.items()}
        said = {"type": kind, "sequence_number": self._next(), **plain}
        return f"event: {kind}\ndata: {json.dumps(said, ensure_ascii=False)}\n\n".encode("utf-8", "replace")

    def _next(self) -> int:
        self._number += 1
        return self._number - 1

    def _said(self, text: str) -> list[bytes]:
        """Words with the scores that were not told yet, and before the first ones that a message begins."""
        out = [] if self._open else self._begin()
        scores = b"[]"
        if self._scores:
            found = logprobs_of(self._scores).content or []
            scores = b"[" + b",".join(one.model_dump_json().encode() for one in found) + b"]"
            self._scores = []
        self._text += text
        head = self._head + b'"logprobs":' + scores + b',"delta":'
        return [*out, head + quoted(text) + b',"sequence_number":%d}\n\n' % self._next()]

    def _begin(self) -> list[bytes]:
        self._open = True
        self._place = {"item_id": self._id, "output_index": 0, "content_index": 0}
        kind = "response.output_text.delta"
        self._head = f"event: {kind}\ndata: {json.dumps({'type': kind, **self._place})[:-1]},".encode()
        item = OutputMessage(id=self._id, status="in_progress", content=[])
        return [
            self._event("response.output_item.added", output_index=0, item=item),
            self._event("response.content_part.added", **self._place, part=OutputText(text="")),
        ]

    def _last(self, completion: Completion) -> list[bytes]:
        held, calls = ("", list[Call]()) if self._sieve is None else self._may.read(self._sieve.held)
        out = self._said(held) if held or not (self._open or calls or self._may.must) else []
        items: list[OutputMessage | OutputCall] = []
        if self._open:
            said = message(self._text, completion)
            said.id = self._id
            items.append(said)
        items += [call(one) for one in calls]
        ended = finished(self.response, completion, items)
        for index, item in enumerate(items):
            out += self._ended(item) if isinstance(item, OutputMessage) else self._called(index, item)
        return [*out, self._event(f"response.{ended.status}", response=ended)]

    def _ended(self, item: OutputMessage) -> list[bytes]:
        part = item.content[0]
        scores = [one.model_dump() for one in part.logprobs]
        return [
            self._event("response.output_text.done", **self._place, text=part.text, logprobs=scores),
            self._event("response.content_part.done", **self._place, part=part),
            self._event("response.output_item.done", output_index=0, item=item),
        ]

    def _called(self, index: int, item: OutputCall) -> list[bytes]:
        place = {"item_id": item.id, "output_index": index}
        bare = item.model_copy(update={"arguments": "", "status": "in_progress"})
        return [
            self._event("response.output_item.added", output_index=index, item=bare),
            self._event("response.function_call_arguments.delta", **place, delta=item.arguments),
            self._event("response.function_call_arguments.done", **place, name=item.name, arguments=item.arguments),
            self._event("response.output_item.done", output_index=index, item=item),
        ]
