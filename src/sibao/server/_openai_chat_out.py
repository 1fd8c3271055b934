"""What ``/v1/chat/completions`` answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sibao.core.types import TokenLogprob
from sibao.server._openai_form import Finish, Told, UsageOut
from sibao.text.detokenize import BROKEN


class TopLogprob(Told):
    """A token that might have come. ``bytes``: of its text; null where it holds half a character."""

    token: str
    logprob: float
    bytes: list[int] | None


class ContentLogprob(TopLogprob):
    """A token that came."""

    top_logprobs: list[TopLogprob]


class ChatLogprobs(Told):
    """Natural-log probabilities of the answer's tokens."""

    content: list[ContentLogprob] | None
    refusal: list[ContentLogprob] | None = None


class CalledOut(Told):
    """A function, and a JSON object as text."""

    name: str
    arguments: str


class ToolCallOut(Told):
    """A call that the model asks for."""

    id: str
    type: Literal["function"] = "function"
    function: CalledOut


class AnswerMessage(Told):
    """What the model says."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    tool_calls: list[ToolCallOut] | None = None


class ChatChoice(Told):
    """One of ``n`` answers."""

    index: int
    message: AnswerMessage
    logprobs: ChatLogprobs | None = None
    finish_reason: Finish


class ChatOut(Told):
    """The answers. A stream tells the same in chunks (``chat.completion.chunk``, each with a ``delta``)."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: UsageOut
    service_tier: str | None = None
    system_fingerprint: str


def logprobs_of(tokens: Sequence[TokenLogprob]) -> ChatLogprobs:
    """Of some tokens."""
    return ChatLogprobs(
        content=[
            ContentLogprob(**_told(one.token, one.logprob), top_logprobs=[TopLogprob(**_told(*top)) for top in one.top])
            for one in tokens
        ]
    )


def _told(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": None if BROKEN in token else list(token.encode())}
