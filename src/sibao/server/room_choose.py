"""The room *Choose*: which model for this work. A choice takes minutes, so it is a job that is asked about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

from anyio import from_thread, to_thread
from fastapi import APIRouter, Path, Query, Request

from sibao.core.errors import Refused
from sibao.server._choose_form import ChooseCandidate, ChooseCandidates, ChooseForm, ChooseJob, ChooseStarted
from sibao.server.choices import Choices
from sibao.server.keys import Caller
from sibao.server.service import service_of
from sibao.workflows._schema_choose import ChooseNeed
from sibao.workflows.choose_offer import Offer, offers


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
    time; the others wait. Of a key with a budget `max_cost` is taken at once, and what the race did not spend given back."""
    choices: Choices = request.state.choices
    caller, offered = service_of(request).caller(request), _offers(request)
    from_thread.run_sync(caller.admit)
    said, hosted = form.checked(offered), form.hosted(offered)
    if caller.budget is not None:
        _refuse_unpriced(hosted)
    most = form.max_cost or 0.0 if hosted else 0.0
    with _reserved(caller, most):
        return ChooseStarted(job=choices.submit(said, lambda cost, tokens: caller.used(tokens, cost - most)))


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


@contextmanager
def _reserved(caller: Caller, most: float) -> Iterator[None]:
    """What a choice may cost is spent from now on; given back where it is not taken after all."""
    from_thread.run_sync(caller.reserve, most)
    try:
        yield
    except Exception:
        caller.used(0, -most)
        raise


def _refuse_unpriced(hosted: Sequence[Offer]) -> None:
    from sibao.workflows._models import price_of

    if dark := [offer.name for offer in hosted if price_of(offer.loads) is None]:
        raise Refused(
            403, f"nobody knows the price of {dark[0]!r}, and the key has a budget",
            hint="add the price to the catalogue of models, or take a key without a budget",
        )  # fmt: skip


def _offers(request: Request) -> list[Offer]:
    """Hosted models that nobody serves are for who runs the server: others would spend the server's own accounts."""
    service = service_of(request)
    entries, options = service.hall.entries.values(), service.options
    found = offers({one.id: one.base if one.adapter is None else f"{one.base}+{one.adapter}" for one in entries})
    if options.any_model or (options.local and not service.keys.needed):
        return found
    served = {one.base for one in entries}
    return [offer for offer in found if not offer.remote or offer.loads in served]
