"""The list of models, in the form of who asks: Gemini's clients send their key in a place of their own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import Field

from sibao.server._gemini_told import ModelCard, ModelsPage
from sibao.server._gemini_wire import model_card, models_page
from sibao.server._openai_form import ERRORS, Told
from sibao.server.errors import protocol
from sibao.server.hall import Entry
from sibao.server.service import Service, TheService

router = APIRouter(prefix="/v1", tags=["openai"])


class ModelOut(Told):
    """A model that is served."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(0, description="Not known; 0.")
    owned_by: str = "sibao"
    max_model_len: int = Field(0, description="Tokens that it holds, as vLLM tells it; told once the model is loaded.")


class ModelsOut(Told):
    """All of them, the default one first."""

    object: Literal["list"] = "list"
    data: list[ModelOut]


@router.get(
    "/models/", include_in_schema=False, response_model=ModelsOut | ModelsPage, response_model_exclude_unset=True
)
@router.get(
    "/models", summary="List the models", responses=ERRORS, response_model=ModelsOut | ModelsPage,
    response_model_exclude_unset=True,
)  # fmt: skip
async def models(request: Request, service: TheService) -> Any:
    """As OpenAI's; in Gemini's form where the request has `x-goog-api-key` or `?key=`."""
    if protocol(request) == "gemini":
        return ModelsPage.model_validate(models_page(service, *_page(request)))
    return ModelsOut(object="list", data=[_model(service, entry) for entry in service.hall.entries.values()])


@router.get(
    "/models/{model:path}", summary="Show a model", responses=ERRORS, response_model=ModelOut | ModelCard,
    response_model_exclude_unset=True,
)  # fmt: skip
async def model(
    model: Annotated[str, Path(max_length=1000, description="Its name, which may hold slashes.")],
    request: Request,
    service: TheService,
) -> Any:
    """As OpenAI's; in Gemini's form where the request has `x-goog-api-key` or `?key=`."""
    if protocol(request) == "gemini":
        return ModelCard.model_validate(model_card(service, model))
    return _model(service, service.hall.find(model))


def _model(service: Service, entry: Entry) -> ModelOut:
    context = service.hall.context(entry)
    known = {} if context is None else {"max_model_len": context}
    return ModelOut(id=entry.id, object="model", created=0, owned_by="sibao", **known)


def _page(request: Request) -> tuple[int, str]:
    size, token = request.query_params.get("pageSize", ""), request.query_params.get("pageToken", "")
    return (int(size) if size.isdecimal() and len(size) < 10 and int(size) else 1000), token
