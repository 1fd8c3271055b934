"""Whether the server lives, whether it takes work, what it counts, and what it has."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from sibao import __version__
from sibao.core.config import settings
from sibao.core.errors import Refused
from sibao.server.hall import Entry, size_of
from sibao.server.service import Service, TheService

router = APIRouter(tags=["status"])


class Health(BaseModel):
    """It lives."""

    status: str = "ok"
    version: str = __version__


class KnownModel(BaseModel):
    """One model that is served. ``can`` and ``context`` are known once it is loaded."""

    id: str
    loaded: bool
    context: int | None = None
    can: list[str] = []
    bytes: int | None = None


class Status(BaseModel):
    """What the web page needs to know first."""

    version: str
    language: str
    default_model: str
    models: list[KnownModel]
    key_needed: bool


@router.get("/health")
async def health() -> Health:
    """The process lives."""
    return Health()


@router.get("/ready")
async def ready(service: TheService) -> Health:
    """It takes work; 503 while it drains."""
    if service.draining:
        raise Refused(503, "the server is going down", seconds=10)
    return Health()


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request, service: TheService) -> Response:
    """Counts in Prometheus' text form."""
    service.caller(request)
    service.counters.loaded.set(len(service.hall.loaded))
    for name, place in service.hall.loaded.items():
        if place.desk.driver is not None:
            service.counters.held.labels(name).set(place.desk.driver.engine.held)
    return Response(service.counters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/api/status")
async def status(service: TheService) -> Status:
    """Version, language and models."""
    hall = service.hall
    models = [known(service, entry) for entry in hall.entries.values()]
    return Status(
        version=__version__, language=settings().language, default_model=hall.default, models=models,
        key_needed=service.keys.needed,
    )  # fmt: skip


def known(service: Service, entry: Entry) -> KnownModel:
    """What is known of a model that is served."""
    place = service.hall.loaded.get(entry.base)
    if place is None:
        return KnownModel(id=entry.id, loaded=False, bytes=size_of(entry.base) or None)
    model = place.desk.model
    can = ["generate"]  # with an adapter beside the model that is all
    if entry.adapter is None:
        can = [*getattr(model, "can", can), *(name for name in ("score", "embed") if hasattr(model, name))]
    return KnownModel(
        id=entry.id, loaded=True, context=getattr(model, "context", None), can=can, bytes=place.bytes or None
    )
