"""The room *Choose*: which model for this work. A choice takes minutes, so it is a job that is asked about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request

from sibao.server._choose_form import ChooseCandidate, ChooseCandidates, ChooseForm, ChooseJob, ChooseStarted
from sibao.server.choices import Choices
from sibao.server.service import service_of
from sibao.workflows._schema_choose import ChooseNeed


@asynccontextmanager
async def _lifespan(app: Any) -> AsyncIterator[dict[str, Choices]]:
    choices = Choices()
    try:
        yield {"choices": choices}
    finally:
        await to_thread.run_sync(choices.close)


router = APIRouter(prefix="/api/choose", tags=["rooms"], lifespan=_lifespan)
JobId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


@router.get("/need", summary="Which task a need is about")
def need(text: Annotated[str, Query(max_length=4000)]) -> ChooseNeed:
    """The task that the words name, and which words told; `unclear` rather than a guess."""
    from sibao.choosing.need import classify

    return ChooseNeed(**classify(text).to_json())


@router.get("/candidates", summary="The models that a choice may be made among")
def candidates(request: Request) -> ChooseCandidates:
    """The catalogue's, those that this server serves, and those that were trained here."""
    found = [
        ChooseCandidate(
            name=one.name, origin=one.origin, about=one.about, here=one.here, remote=one.remote, tasks=list(one.tasks),
            parameters=one.parameters, licence=one.licence,
        )
        for one in _offers(request)
    ]  # fmt: skip
    return ChooseCandidates(candidates=found)


@router.post("", status_code=202, summary="Start a choice")
def choose(form: ChooseForm, request: Request) -> ChooseStarted:
    """Hard limits, then a race on the rows that drops losers early, then the pick and how sure it is. One choice is made at a
    time; the others wait."""
    choices: Choices = request.state.choices
    return ChooseStarted(job=choices.submit(form.checked(_offers(request))))


@router.get("/{job}", summary="How a choice goes")
def look(job: JobId, request: Request) -> ChooseJob:
    """Its state, how far each model is, and in the end the result."""
    choices: Choices = request.state.choices
    return choices.look(job)


@router.delete("/{job}", summary="Give a choice up")
def cancel(job: JobId, request: Request) -> ChooseJob:
    """It ends at once; its run in the store says that it was stopped."""
    choices: Choices = request.state.choices
    return choices.cancel(job)


def _offers(request: Request) -> Any:
    from sibao.workflows.choose_offer import offers

    entries = service_of(request).hall.entries.values()
    return offers({one.id: one.base if one.adapter is None else f"{one.base}+{one.adapter}" for one in entries})
