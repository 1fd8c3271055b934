"""The tasks over HTTP: what the command line does, with the same JSON."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from sibao.core.errors import BadInput
from sibao.server._sse import described, events
from sibao.server._task_run import Told, Work
from sibao.server._task_schema import (
    AnswerBody,
    AnsweredHere,
    AnswerHereOut,
    Body,
    GenerateBody,
    Several,
    SummarizeBody,
    TranslateBody,
)
from sibao.server.service import Service, TheService, until_gone
from sibao.workflows._schema_base import RowFailure
from sibao.workflows._schema_tasks import Generated, GenerateOut, Summarized, SummarizeOut, Translated, TranslateOut

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])
EVENTS = """With `stream`: `data: {"delta": "..."}`, `data: {"progress": {"done": 1, "total": 3}}` where a text is worked on
in pieces (the total grows where summaries are summarized), and at the end `data: {"result": {...}}` or
`data: {"error": {...}}`."""
HOW: dict[str, Any] = {
    "response_model_exclude_unset": True,
    "responses": described(EVENTS) | {"4XX": {"model": RowFailure}, "5XX": {"model": RowFailure}},
}


@router.post("/generate", response_model=GenerateOut | Several[Generated], summary="Write", **HOW)
async def generate(request: Request, body: GenerateBody, service: TheService) -> Any:
    """Go on from a text, follow an instruction, or write in a form."""
    return await _run("generate", request, body, service)


@router.post("/translate", response_model=TranslateOut | Several[Translated], summary="Translate", **HOW)
async def translate(request: Request, body: TranslateBody, service: TheService) -> Any:
    """Between Chinese and English, texts of any length."""
    return await _run("translate", request, body, service)


@router.post("/answer", response_model=AnswerHereOut | Several[AnsweredHere], summary="Answer from a passage", **HOW)
async def answer(request: Request, body: AnswerBody, service: TheService) -> Any:
    """A question, from a passage of any length."""
    return await _run("answer", request, body, service)


@router.post("/summarize", response_model=SummarizeOut | Several[Summarized], summary="Summarize", **HOW)
async def summarize(request: Request, body: SummarizeBody, service: TheService) -> Any:
    """A text of any length, in its own language."""
    return await _run("summarize", request, body, service)


async def _run(name: str, request: Request, body: Body, service: Service) -> Any:
    if body.inputs is not None and body.values().get(type(body).main) is not None:
        raise BadInput(f"got both {type(body).main} and inputs, wanted one of them", hint="leave one out")
    async with await service.turn(request, body.model) as turn:
        work = Work(name, turn, body)
        if not body.stream:
            return await until_gone(request, work.result())
        told = Told(work)
        turn.ended_by(told.close)
        first = await until_gone(request, told.next())
        return events(turn, told.pieces(first))
