"""What the room *Runs* sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field

from sibao.workflows._schema_base import Json, Score

if TYPE_CHECKING:
    from sibao.workflows.run_control import Standing


class StepPoint(Json):
    """One optimizer step; also whatever else the objective measured."""

    model_config = ConfigDict(extra="allow")
    step: int = Field(description="Steps done.")
    loss: float | None = Field(description="Nats per target token.")
    grad_norm: float | None = Field(None, description="Norm of the gradient before clipping.")
    rate: float | None = Field(None, description="Factor on the base learning rate.")
    tokens: int | None = Field(None, description="Tokens read so far.")
    tokens_per_second: float | None = Field(None, description="Speed of this step.")
    joules: float | None = Field(None, description="Energy so far.")


class EvalPoint(Json):
    """One evaluation on held-out rows."""

    model_config = ConfigDict(extra="allow")
    step: int = Field(description="Steps done.")
    valid_loss: float | None = Field(description="Nats per token.")
    bits_per_byte: float | None = Field(None, description="The same in bits per byte of text.")
    samples: list[str] = Field([], description="What the model writes by now.")


class CurvesOut(Json):
    """What a run has logged, thinned out evenly where it is long."""

    steps: list[StepPoint] = Field(description="Training.")
    evals: list[EvalPoint] = Field(description="Evaluations.")


class RunSummary(Json):
    """A run and how it stands."""

    run: str = Field(description="Id; sorts by time.")
    kind: str = Field(description="pretrain, finetune, evaluate, choose ...")
    model: str = Field(description="Name of the model or of the run.")
    state: Literal["running", "done", "failed", "stopped", "interrupted"] = Field(
        description="`stopped`: with a checkpoint; `interrupted`: its process is gone without an end."
    )
    message: str = Field(description="Why it failed; empty otherwise.")
    started: float = Field(description="Seconds since 1970, UTC.")
    finished: float | None = Field(description="The same; null while it runs.")
    can_stop: bool = Field(description="It is being trained on this machine.")
    can_resume: bool = Field(description="It can go on from a checkpoint.")
    step: int | None = Field(description="Optimizer steps done; null where there are none.")
    steps: int | None = Field(description="Steps planned.")
    loss: float | None = Field(description="Of the newest step.")
    joules: float | None = Field(description="Energy so far.")

    @classmethod
    def of(cls, now: Standing) -> RunSummary:
        """A run of the store as it stands."""
        run = now.run
        own = {
            name: getattr(now, name) for name in ("state", "can_stop", "can_resume", "step", "steps", "loss", "joules")
        }
        return cls(
            run=run.id, kind=run.kind, model=run.model, message=run.message, started=run.started,
            finished=None if now.state == "running" else run.finished, **own,
        )  # fmt: skip


class Runs(Json):
    """A list of runs."""

    runs: list[RunSummary] = Field(description="The newest first.")


class RunDetail(RunSummary):
    """All that is recorded of a run."""

    recipe: dict[str, Any] = Field(description="What it was made from.")
    result: dict[str, Any] = Field(description="What is known of it besides its scores.")
    scores: list[Score] = Field(description="Its scores.")
    run_version: str = Field(description="Version of Sibao that ran it.")
    curves: CurvesOut = Field(description="Losses, speed and energy by step.")
    points: int = Field(description="Steps in the log, before thinning out.")
    cursor: str = Field(description="What `events` takes as `after`.")
    words: str = Field(description="What the process of a resumed run said when it failed; empty otherwise.")


class Points(Json):
    """An event: what is new in a run's log."""

    run: RunSummary = Field(description="How the run stands.")
    cursor: str = Field(description="Where to go on.")
    anew: bool = Field(
        description="The log was begun anew (a resume); earlier points no longer hold: ask for the run again."
    )
    steps: list[StepPoint] = Field(description="New steps.")
    evals: list[EvalPoint] = Field(description="New evaluations.")
