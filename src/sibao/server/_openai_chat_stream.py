"""A chat's answers in chunks. What all chunks have in common is made once, so that a token costs some microseconds."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from sibao.core.types import Completion, Delta, TokenLogprob
from sibao.server._openai_ask import FINGERPRINT, new_id, now, used
from sibao.server._openai_chat_out import logprobs_of
from sibao.server._openai_form import UsageOut, finish_of
from sibao.server._openai_prompt import Calling
from sibao.server._sse import DONE, Pieces, data, quoted
from sibao.server._tools import Call, Sieve


@dataclass
class _Answer:
    """One answer on its way. ``told``: tokens whose log-probabilities were sent."""

    sieve: Sieve | None
    told: int = 0
    text: str = ""
    completion: Completion | None = None


@dataclass(frozen=True)
class Chunks:
    """Chunks of one response."""

    model: str
    may: Calling
    logprobs: bool = False
    usage: bool = False
    id: str = field(default_factory=lambda: new_id("chatcmpl-"))
    created: int = field(default_factory=now)

    async def of(self, told: AsyncGenerator[tuple[int, Delta]], many: int) -> Pieces:
        """All of them, of so many answers, ``[DONE]`` at the end."""
        answers = [_Answer(Sieve() if self.may.tools else None) for _ in range(many)]
        said = self._head()
        begins = [said + b'{"index":%d,"delta":{"content":' % number for number in range(len(answers))]
        end = b'},"logprobs":null,"finish_reason":null}]' + self._tail()
        for number in range(len(answers)):
            first = b'{"index":%d,"delta":{"role":"assistant","content":"","refusal":null}' % number
            yield said + first + b',"logprobs":null,"finish_reason":null}]' + self._tail()
        async for number, delta in told:
            answer = answers[number]
            text = delta.text if answer.sieve is None else answer.sieve.push(delta.text)
            if self.logprobs and delta.completion is None and delta.logprobs:
                answer.told += len(delta.logprobs)
                yield begins[number] + quoted(text) + self._scored(delta.logprobs)
            elif text and not (self.logprobs and delta.completion is not None):
                yield begins[number] + quoted(text) + end
            if delta.completion is not None:
                answer.completion = delta.completion
                for piece in self._last(number, answer, text):
                    yield piece
        if self.usage:
            done = [answer.completion for answer in answers if answer.completion is not None]
            counted = UsageOut.of(used(done, len(done))).model_dump_json().encode()
            yield said + b'],"usage":' + counted + b"}\n\n"
        yield DONE

    def _head(self) -> bytes:
        common = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
                  "system_fingerprint": FINGERPRINT}  # fmt: skip
        return data(common)[: -len(b"}\n\n")] + b',"choices":['

    def _tail(self) -> bytes:
        return b',"usage":null}\n\n' if self.usage else b"}\n\n"

    def _scored(self, tokens: Sequence[TokenLogprob]) -> bytes:
        return (
            b'},"logprobs":'
            + logprobs_of(tokens).model_dump_json().encode()
            + b',"finish_reason":null}]'
            + self._tail()
        )

    def _last(self, number: int, answer: _Answer, text: str) -> list[bytes]:
        """The end of one answer: what was held back, as calls or as text, and the reason."""
        completion, begin = answer.completion, self._head() + b'{"index":%d,"delta":{' % number
        if completion is None:
            return []
        end, out = b'},"logprobs":null,"finish_reason":null}]' + self._tail(), []
        held, calls = ("", list[Call]()) if answer.sieve is None else self.may.read(answer.sieve.held)
        rest = (text if self.logprobs else "") + held
        left = completion.logprobs[answer.told :]
        if self.logprobs and left:
            out.append(begin + b'"content":' + quoted(rest) + self._scored(left))
        elif rest:
            out.append(begin + b'"content":' + quoted(rest) + end)
        for place, call in enumerate(calls):
            function = {"name": call.name, "arguments": call.text}
            said = {"index": place, "id": new_id("call_"), "type": "function", "function": function}
            out.append(begin + b'"tool_calls":[' + json.dumps(said, ensure_ascii=False).encode() + b"]" + end)
        reason = finish_of(completion.finish_reason, called=any(call.begun is None for call in calls))
        out.append(begin + b'},"logprobs":null,"finish_reason":"%s"}]' % reason.encode() + self._tail())
        return out
