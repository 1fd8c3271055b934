"""OpenAI's responses: the newer form of chat. Nothing is kept, so each request brings the whole conversation."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from sibao.core.types import Completion, GenerateOptions
from sibao.server._limit import AUTO, roomy
from sibao.server._openai_form import ERRORS
from sibao.server._openai_messages_form import tools_of
from sibao.server._openai_prompt import Calling, calling, prompt_of
from sibao.server._openai_responses_form import ResponseForm
from sibao.server._openai_responses_out import ResponseOut, begun, call, finished, message
from sibao.server._openai_responses_stream import Script
from sibao.server._sse import described, events
from sibao.server.desk import Asked
from sibao.server.service import TheService

router = APIRouter(prefix="/v1", tags=["openai"])
STREAM = described("JSON, or typed events.")


@router.post("/responses", summary="Answer", response_model=ResponseOut, responses=ERRORS | STREAM)
async def responses(form: ResponseForm, request: Request, service: TheService) -> ResponseOut | Response:
    """As OpenAI's, without its memory: `previous_response_id` is refused."""
    may = calling(tools_of(form.tools), form.choice)
    sampling = form.sampling()
    tokens = AUTO if form.max_output_tokens is None else form.max_output_tokens
    options = GenerateOptions(tokens, sampling, response_format=may.shape(form.shape()))
    async with await service.turn(request, form.model) as turn:
        asked = await turn.in_thread(_prepared, turn.guest.model, form, may, options)
        response = begun(turn.model, form)
        if form.stream:
            script = Script(response, may, logprobs=sampling.logprobs is not None)
            return events(turn, script.of(await turn.stream(*asked)), failed=script.failed)
        return _answer(response, (await turn.complete([asked]))[0], may)


def _prepared(model: Any, form: ResponseForm, may: Calling, options: GenerateOptions) -> tuple[Asked, GenerateOptions]:
    return roomy(model, prompt_of(model, form.messages(), may.tools), options)


def _answer(response: ResponseOut, completion: Completion, may: Calling) -> ResponseOut:
    text, calls = may.read(completion.text)
    said = [message(text, completion)] if text or not (calls or may.must) else []
    return finished(response, completion, [*said, *map(call, calls)])
