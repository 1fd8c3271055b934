"""OpenAI's chat: a conversation goes in, the model's turn comes out, whole or piece by piece."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from sibao.core.types import Completion, GenerateOptions
from sibao.server._limit import AUTO, roomy
from sibao.server._openai_ask import FINGERPRINT, complete, new_id, now, streams, used, ways
from sibao.server._openai_chat_form import ChatForm
from sibao.server._openai_chat_out import AnswerMessage, CalledOut, ChatChoice, ChatOut, ToolCallOut, logprobs_of
from sibao.server._openai_chat_stream import Chunks
from sibao.server._openai_form import ERRORS, UsageOut, finish_of
from sibao.server._openai_messages_form import tools_of
from sibao.server._openai_prompt import Calling, calling, prompt_of
from sibao.server._sse import described, events
from sibao.server.desk import Asked
from sibao.server.service import TheService

router = APIRouter(prefix="/v1", tags=["openai"])
STREAM = described("JSON, or events.")


@router.post("/chat/completions", summary="Continue a conversation", response_model=ChatOut, responses=ERRORS | STREAM)
async def chat(form: ChatForm, request: Request, service: TheService) -> ChatOut | Response:
    """As OpenAI's. What would change the answer and is not known here is refused; nothing is kept."""
    may = calling(tools_of([one.function for one in form.tools or ()]), form.tool_choice)
    shape, wanted = may.shape(form.shape()), ways(form, form.wanted_logprobs)
    async with await service.turn(request, form.model) as turn:
        first = form.options(AUTO if form.tokens is None else form.tokens, wanted[0], shape)
        prompt, first = await turn.in_thread(_prepared, turn.guest.model, form, may, first)
        asked = [(prompt, form.options(first.max_tokens, sampling, shape)) for sampling in wanted]
        if form.stream:
            usage = form.stream_options is not None and bool(form.stream_options.include_usage)
            chunks = Chunks(turn.model, may, logprobs=form.wanted_logprobs is not None, usage=usage)
            return events(turn, chunks.of(await streams(turn, asked), form.n or 1))
        return _answer(turn.model, await complete(turn, asked), may)


def _prepared(model: Any, form: ChatForm, may: Calling, options: GenerateOptions) -> tuple[Asked, GenerateOptions]:
    return roomy(model, prompt_of(model, form.messages, may.tools), options)


def _answer(model: str, completions: list[Completion], may: Calling) -> ChatOut:
    choices = [_choice(number, completion, may) for number, completion in enumerate(completions)]
    return ChatOut(
        id=new_id("chatcmpl-"), created=now(), model=model, choices=choices, system_fingerprint=FINGERPRINT,
        usage=UsageOut.of(used(completions, len(completions))),
    )  # fmt: skip


def _choice(number: int, completion: Completion, may: Calling) -> ChatChoice:
    text, calls = may.read(completion.text)
    message = AnswerMessage(content=None if (calls or may.must) and not text else text)
    if calls:
        message.tool_calls = [
            ToolCallOut(id=new_id("call_"), function=CalledOut(name=call.name, arguments=call.text)) for call in calls
        ]
    scores = logprobs_of(completion.logprobs) if completion.logprobs else None
    reason = finish_of(completion.finish_reason, called=any(call.begun is None for call in calls))
    return ChatChoice(index=number, message=message, logprobs=scores, finish_reason=reason)
