"""Gemini's ``countTokens``, ``embedContent`` and ``batchEmbedContents``.

https://ai.google.dev/api/tokens, https://ai.google.dev/api/embeddings
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request

from sibao.core.errors import BadInput
from sibao.core.types import Usage, words
from sibao.server._gemini_read import messages, turns_of
from sibao.server._gemini_schema import BatchEmbedAsk, CountAsk, EmbedAsk
from sibao.server._gemini_told import SHOWN, BatchEmbedOut, CountOut, EmbedOut
from sibao.server._gemini_wire import served_name
from sibao.server._limit import tokens_of
from sibao.server.gemini_generate import PLACES
from sibao.server.service import TheService, Turn

router = APIRouter(tags=["gemini"])


async def count(request: Request, model: str, body: CountAsk, service: TheService) -> dict[str, Any]:
    """Tokens of the turns as the model reads them, with all that its template adds."""
    async with await service.turn(request, served_name(service, model)) as turn:
        return {"totalTokens": await turn.in_thread(_count, body, turn.guest.model)}


async def embed(request: Request, model: str, body: EmbedAsk, service: TheService) -> dict[str, Any]:
    """One vector."""
    async with await service.turn(request, served_name(service, model)) as turn:
        return {"embedding": (await _vectors(turn, [body]))[0]}


async def embed_many(request: Request, model: str, body: BatchEmbedAsk, service: TheService) -> dict[str, Any]:
    """A vector for each text, in order."""
    async with await service.turn(request, served_name(service, model)) as turn:
        return {"embeddings": await _vectors(turn, body.requests)}


for place in PLACES:
    path = place + "/{model:path}"
    router.post(path + ":countTokens", summary="Count tokens", response_model=CountOut, **SHOWN)(count)
    router.post(path + ":embedContent", summary="Embed a text", response_model=EmbedOut, **SHOWN)(embed)
    router.post(path + ":batchEmbedContents", summary="Embed texts", response_model=BatchEmbedOut, **SHOWN)(embed_many)


def _count(body: CountAsk, model: Any) -> int:
    whole = body.generate_content_request
    if (whole is None) == (not body.contents):
        raise BadInput("wanted either contents or generateContentRequest")
    return int(model.count(messages(body.contents) if whole is None else turns_of(whole)))


async def _vectors(turn: Turn, asked: Sequence[EmbedAsk]) -> list[dict[str, Any]]:
    return await turn.in_thread(_embedded, turn, asked, long=True)


def _embedded(turn: Turn, asked: Sequence[EmbedAsk]) -> list[dict[str, Any]]:
    """In a thread; counted here, for the vectors are made even if the client has gone."""
    model = turn.guest.model
    if not hasattr(model, "embed"):
        raise BadInput(f"{turn.model} cannot embed", hint="take another model")
    turn.guest.refuse_adapter("vectors are made")
    texts = ["\n".join(words(turn) for turn in messages([one.content])) for one in asked]
    vectors = model.embed(texts)
    turn.count_soon(Usage(sum(tokens_of(model, text) for text in texts)))
    return [{"values": _cut(vector, one.output_dimensionality)} for vector, one in zip(vectors, asked, strict=True)]


def _cut(vector: list[float], size: int | None) -> list[float]:
    if size is not None and size > len(vector):
        raise BadInput(f"outputDimensionality is {size}, the vectors have {len(vector)} numbers")
    return vector[:size]
