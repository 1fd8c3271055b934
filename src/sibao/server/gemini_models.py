"""Gemini's list of models. (Under ``/v1/models`` it shares its paths with OpenAI's: see ``openai_models``.)"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from sibao.server._gemini_told import SHOWN, ModelCard, ModelsPage
from sibao.server._gemini_wire import PAGE, model_card, models_page
from sibao.server.service import TheService

router = APIRouter(tags=["gemini"])


@router.get("/v1beta/models/", include_in_schema=False, response_model=ModelsPage, **SHOWN)
@router.get("/v1beta/models", summary="List the models", response_model=ModelsPage, **SHOWN)
async def models(
    service: TheService,
    size: Annotated[int, Query(alias="pageSize", ge=0, description="Models of one page; 0: as many as fit.")] = PAGE,
    token: Annotated[
        str, Query(alias="pageToken", max_length=40, description="`nextPageToken` of the page before.")
    ] = "",
) -> dict[str, Any]:
    """What is served, the default model first."""
    return models_page(service, size or PAGE, token)


@router.get("/v1beta/models/{model:path}", summary="Show a model", response_model=ModelCard, **SHOWN)
async def model(model: str, service: TheService) -> dict[str, Any]:
    """One model; its limits are known once it is loaded."""
    return model_card(service, model)
