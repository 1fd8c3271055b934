"""The room *Runs*: what was trained and measured here, live curves, stop and resume."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from sibao.core.errors import BadInput
from sibao.server._run_schema import CurvesOut, EvalPoint, Points, RunDetail, Runs, RunSummary, StepPoint
from sibao.server.service import Service, service_of
from sibao.store.values import plain
from sibao.workflows._schema_base import Json

if TYPE_CHECKING:
    from sibao.workflows.run_curves import Cursor, Curves

router = APIRouter(prefix="/api/runs", tags=["rooms"])
RunId = Annotated[str, Path(pattern="^r[0-9a-z]{3,15}$", description="A run's whole id.")]
MOST_POINTS = 1000
"""Points of a curve that are sent at once; a screen is not wider."""
LOOK_SECONDS, STREAM_SECONDS = 0.5, 45.0
"""How often a log is looked at; how long one stream lasts before the page asks for the next."""


class Resume(Json):
    """How a run goes on."""

    steps: int | None = Field(None, ge=1, le=10**9, description="Optimizer steps in all; null: the recipe's.")
    max_minutes: float | None = Field(None, gt=0, le=10**6, description="Stop after so long, with a checkpoint.")


@router.get("", summary="The newest runs")
def runs(
    limit: Annotated[int, Query(ge=1, le=500)] = 50, kind: Annotated[str | None, Query(pattern="^[a-z_]{1,40}$")] = None
) -> Runs:
    """Trainings, evaluations and choices, the newest first, and how each stands."""
    from sibao.workflows.run_control import standings

    return Runs(runs=[RunSummary.of(one) for one in standings(limit, kind)])


@router.get("/{run}", summary="One run: recipe, curves, scores")
def run(run: RunId) -> RunDetail:
    """All that is recorded of a run. `cursor` is where its events go on."""
    return _detail(run)


@router.post("/{run}/stop", status_code=202, summary="Stop a training run, with a checkpoint")
def stop(run: RunId) -> RunSummary:
    """The run ends after the step at hand; its state changes when it has saved."""
    from sibao.workflows.run_control import stop_run

    stop_run(run)
    return _summary(run)


@router.post("/{run}/resume", status_code=202, summary="Let a training run go on from its newest checkpoint")
def resume(run: RunId, how: Resume) -> RunSummary:
    """It goes on in a process of its own, which outlives this server."""
    from sibao.workflows.run_control import resume_run

    _refuse_fewer(run, how.steps)
    resume_run(run, steps=how.steps, max_minutes=how.max_minutes)
    return _summary(run)


@router.get(
    "/{run}/events",
    summary="New points while a run runs",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Server-sent events, each a `Points` object."}
    },
)
async def events(request: Request, run: RunId, after: Annotated[str, Query(max_length=60)] = "") -> StreamingResponse:
    """Server-sent events; `after` is the `cursor` of the run or of the last event. The stream ends with `[DONE]` when the run
    has ended or after a while: ask again while the run's state is `running`."""
    from sibao.workflows.run_curves import Cursor

    cursor = Cursor.parse(after) if after else Cursor()
    await to_thread.run_sync(_summary, run)  # no such run: an answer, not a stream
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(run, cursor, service_of(request)), media_type="text/event-stream", headers=headers)


async def _events(run: str, cursor: Cursor, service: Service) -> AsyncIterator[str]:
    ends, said = time.monotonic() + STREAM_SECONDS, ""
    while True:
        points = await to_thread.run_sync(partial(_news, run, cursor))
        cursor = points.pop("next")
        state = points["run"]["state"]
        if points["steps"] or points["evals"] or points["anew"] or state != said:
            said = state
            yield f"data: {json.dumps(points, ensure_ascii=False, allow_nan=False)}\n\n"
        if state != "running" or service.draining or time.monotonic() > ends:
            yield "data: [DONE]\n\n"
            return
        await asyncio.sleep(LOOK_SECONDS)


def _news(run: str, cursor: Cursor) -> dict[str, Any]:
    from sibao.workflows.run_curves import read_curves

    summary = _summary(run)  # first: what is logged between the two readings is then not missed
    found = read_curves(run, cursor)
    points = Points(run=summary, cursor=str(found.cursor), anew=found.anew, **_curves(found).__dict__)
    return {**points.model_dump(), "next": found.cursor}


def _refuse_fewer(run: str, steps: int | None) -> None:
    """A run that goes on to fewer steps than its newest checkpoint has would do nothing, and be called done."""
    from sibao.core.paths import runs_dir
    from sibao.training.checkpoint import checkpoints
    from sibao.workflows._run import CHECKPOINTS

    saved = checkpoints(runs_dir() / run / CHECKPOINTS)
    made = int(saved[-1].name.removeprefix("step-")) if saved else 0
    if steps is not None and steps <= made:
        raise BadInput(
            f"run {run} has made {made} steps, got {steps} steps in all", hint=f"ask for {made + 1} steps or more"
        )


def _summary(run: str) -> RunSummary:
    from sibao.store.runs import get_run
    from sibao.workflows.run_control import standing

    return RunSummary.of(standing(get_run(run)))


def _detail(run: str) -> RunDetail:
    from sibao.store.runs import get_run, scores_of
    from sibao.workflows.run_control import last_words, standing
    from sibao.workflows.run_curves import read_curves

    found = get_run(run)
    now, curves = standing(found), read_curves(found.id)
    scores = plain([score.to_json() for score in scores_of(found.id)])
    return RunDetail(
        **RunSummary.of(now).model_dump(), recipe=plain(found.recipe), result=plain(found.result), scores=scores,
        run_version=found.version, cursor=str(curves.cursor), points=len(curves.steps), curves=_curves(curves),
        words=last_words(found.id) if now.state in ("failed", "interrupted") else "",
    )  # fmt: skip


def _curves(found: Curves) -> CurvesOut:
    from sibao.workflows.run_curves import thinned

    steps, evals = thinned(found.steps, MOST_POINTS), thinned(found.evals, MOST_POINTS)
    return CurvesOut(steps=[StepPoint(**one) for one in steps], evals=[EvalPoint(**one) for one in evals])
