"""OpenAI's embeddings: a vector for each text. https://platform.openai.com/docs/api-reference/embeddings"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from sibao.core.errors import BadInput
from sibao.core.types import Usage
from sibao.server._limit import tokens_of
from sibao.server._openai_form import ERRORS, MOST_PROMPTS, Form, Ids, Int, Told, Word
from sibao.server.service import TheService, Turn

router = APIRouter(prefix="/v1", tags=["openai"])
Many = Field(min_length=1, max_length=MOST_PROMPTS)


class EmbeddingForm(Form):
    """Texts that are wanted as vectors."""

    input: str | Ids | Annotated[list[str], Many] | Annotated[list[Ids], Many] = Field(
        description="Text, token ids, or a list of either; tokens are read as the text that they stand for."
    )
    model: Word | None = Field(None, description="One of `GET /v1/models`; null: the first one served.")
    encoding_format: Literal["float", "base64"] | None = Field(
        None, description="base64: of 32-bit floats, little-endian."
    )
    dimensions: Int | None = Field(None, description="Refused: vectors have the model's own length.")
    user: str | None = Field(None, description="Taken; changes nothing.")


class Embedding(Told):
    """One text's vector."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Told):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsOut(Told):
    """All vectors, in order."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


@router.post("/embeddings", summary="Make vectors of texts", responses=ERRORS)
async def embeddings(form: EmbeddingForm, request: Request, service: TheService) -> EmbeddingsOut:
    """As OpenAI's; the mean of the last hidden states, unless the model has an own way."""
    if form.dimensions is not None:
        raise BadInput("dimensions is not known here", hint="leave it out: vectors have the model's own length")
    async with await service.turn(request, form.model) as turn:
        vectors, tokens = await turn.in_thread(_vectors, turn, form, long=True)
        found: list[Embedding] = [
            Embedding(index=number, embedding=_packed(one) if form.encoding_format == "base64" else list(one))
            for number, one in enumerate(vectors)
        ]
        return EmbeddingsOut(
            data=found, model=turn.model, usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens)
        )


def _vectors(turn: Turn, form: EmbeddingForm) -> tuple[list[list[float]], int]:
    """The vectors, and the tokens of all texts. In a thread; counted here, for they are made even if the client has gone."""
    model = turn.guest.model
    if not hasattr(model, "embed"):
        raise BadInput(f"{model.name} makes no vectors", hint="name a model that does; GET /api/status tells")
    turn.guest.refuse_adapter("vectors are made")
    texts = _texts(model, form.input)
    if not all(texts):
        raise BadInput("a text is empty", hint="give some text to embed")
    vectors, tokens = model.embed(texts), sum(tokens_of(model, text) for text in texts)
    turn.count_soon(Usage(tokens))
    return vectors, tokens


def _texts(model: Any, given: Any) -> list[str]:
    many: Sequence[Any] = [given] if isinstance(given, str) or isinstance(given[0], int) else given
    if all(isinstance(one, str) for one in many):
        return list(many)
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None:
        raise BadInput(f"{model.name} takes text, not tokens", hint="send the input as text")
    if max(max(ids) for ids in many) >= tokenizer.vocab_size:
        raise BadInput(f"a token id is {tokenizer.vocab_size} or more", hint="use this model's own tokenizer")
    return [tokenizer.decode(ids) for ids in many]


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode()
