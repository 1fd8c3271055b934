"""What the room *Choose* sends and gets."""

from __future__ import annotations

import io
from typing import Annotated, Any, Literal

from pydantic import Field

from sibao.core.errors import BadInput
from sibao.core.types import Language, Row
from sibao.workflows._schema_base import Json
from sibao.workflows._schema_choose import ChooseOut
from sibao.workflows.choose_offer import Offer

MOST_ROWS, MOST_TEXT, MOST_MODELS = 2000, 4 << 20, 8
Name = Annotated[str, Field(min_length=1, max_length=200)]
Size = Annotated[str, Field(max_length=40)]
State = Literal["queued", "running", "done", "failed", "cancelled"]


class ChooseModel(Json):
    """A candidate."""

    name: Name = Field(description="One of `GET /api/choose/candidates`.")
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8", "int4"] = Field("auto", description="Of the weights.")


class ChooseLimits(Json):
    """What a model must keep to; null, false and empty set no limit."""

    budget: float | None = Field(None, ge=0, description="Money for a thousand requests like these.")
    currency: str = Field("USD", pattern="^[A-Z]{3}$", description="Of all money here.")
    max_latency: float | None = Field(None, ge=0, description="Seconds of one request, the median, measured.")
    max_memory: Size | None = Field(None, description="Memory on this machine, such as `4GB`.")
    max_size: Size | None = Field(None, description="Parameters (`500M`, `8B`) or bytes on disk (`2GB`).")
    licences: list[Name] = Field([], max_length=20, description="SPDX names, or `commercial`; any of them will do.")
    offline: bool = Field(False, description="Answers without a network.")
    languages: list[Language] = Field([], description="Must all be known.")
    allow_unknown: bool = Field(False, description="What nobody knows passes.")


class ChooseForm(Json):
    """A choice to be made. Without rows it is advice: the task, who would be out, and how to choose and to measure."""

    need: str = Field("", max_length=4000, description="What is wanted, in your words.")
    task: Literal["generate", "translate", "answer", "summarize", "describe"] | None = Field(
        None, description="The task; null: told by rows and need."
    )
    text: str = Field("", max_length=MOST_TEXT, description="The rows, as text of a file.")
    text_name: str = Field("rows.jsonl", max_length=300, description="The file's name; only its ending is used.")
    rows: list[Row] = Field([], max_length=MOST_ROWS, description="The rows themselves, instead of `text`.")
    models: list[ChooseModel] = Field(
        [], max_length=MOST_MODELS, description="Candidates; none: those of the catalogue that are here."
    )
    limits: ChooseLimits = Field(default_factory=lambda: ChooseLimits.model_validate({}), description="Hard limits.")
    weights: dict[str, float] = Field(
        {}, description="What decides among equals: quality, cost, latency, speed, memory, parameters, energy."
    )
    max_cost: float | None = Field(None, ge=0, description="Spend at most so much on the race; hosted models need it.")
    metric: Name | None = Field(None, description="What is raced on, row by row; null: by task.")
    to: Language | None = Field(None, description="Language to translate into.")
    limit: int | None = Field(None, ge=1, description="Use only so many rows.")
    max_tokens: int | None = Field(None, ge=1, le=8192, description="Most new tokens of one answer.")
    delta: float = Field(0.05, gt=0, lt=0.5, description="Probability of any wrong statement of the race.")
    seed: int = Field(0, ge=0, lt=2**31, description="Orders the rows.")
    cache: bool = Field(True, description="Take answers from the store that were given before.")
    language: Language = Field("en", description="Of advice.")

    def given_rows(self) -> list[Row]:
        """The rows, read.

        Raises:
            DataError: a row that cannot be read, or names a file of the server. BadInput: rows in both forms, an ending that
                is not read, too many.
        """
        from sibao.text.media import refuse_files

        rows = self._rows()
        for row in rows:
            refuse_files(row)
        return rows

    def _rows(self) -> list[Row]:
        from sibao.workflows.data_look import rows_of

        if self.rows and self.text:
            raise BadInput("got both rows and text, wanted one of them", hint="leave one out")
        if self.text.strip():
            return rows_of(io.BytesIO(self.text.encode("utf-8", "surrogatepass")), self.text_name, MOST_ROWS)
        return self.rows

    def hosted(self, offered: list[Offer]) -> list[Offer]:
        """Models of the race that cost money for every answer; without rows nothing is raced."""
        named = {model.name for model in self.models}
        return [offer for offer in offered if offer.remote and offer.name in named] if self.text or self.rows else []

    def checked(self, offered: list[Offer]) -> dict[str, Any]:
        """What the process of the choice is told: rows read, names looked up. All that can be refused now is.

        Raises:
            BadInput, DataError: rows, names, sizes or weights that cannot be used; a hosted model without ``max_cost``.
        """
        known = {offer.name: offer for offer in offered}
        for model in self.models:
            offer = known.get(model.name)
            if offer is None:
                raise BadInput(f"no candidate is named {model.name!r}", hint="GET /api/choose/candidates lists them")
        if self.max_cost is None and (hosted := self.hosted(offered)):
            raise BadInput(
                f"{hosted[0].name} costs money for every answer", hint="set max_cost: what the race may spend"
            )
        said = self.model_dump(exclude={"text", "text_name"}) | {"rows": self.given_rows()}
        said["models"] = [
            {"name": known[m.name].loads, "precision": m.precision, "called": m.name} for m in self.models
        ]
        ask_of(said)
        return said


def ask_of(said: dict[str, Any]) -> Any:
    """What the workflow takes, of what ``ChooseForm.checked`` gave.

    Raises:
        BadInput: a size or weight that cannot be used.
    """
    from sibao.choosing.limits import Limits, read_bytes, read_size
    from sibao.choosing.pick import choose_pick
    from sibao.choosing.race_result import Plan
    from sibao.workflows._choose_ask import Ask
    from sibao.workflows._choose_cells import Candidate

    limits = dict(said["limits"])
    memory, size = limits.pop("max_memory"), limits.pop("max_size")
    parameters, disk = read_size(size) if size else (None, None)
    limits |= {key: tuple(limits[key]) for key in ("licences", "languages")}
    limits["max_memory"] = read_bytes(memory, "max_memory") if memory else None
    choose_pick({}, None, said["weights"])  # refuses weights of nothing
    return Ask(
        candidates=tuple(Candidate(**model) for model in said["models"]), rows=said["rows"], need=said["need"],
        task=said["task"], metric=said["metric"], to=said["to"], weights=said["weights"],
        limits=Limits(**limits, max_parameters=parameters, max_disk=disk),
        plan=Plan(delta=said["delta"], max_cost=said["max_cost"], seed=said["seed"]), limit=said["limit"],
        max_tokens=said["max_tokens"], cache=said["cache"],
    )  # fmt: skip


class ChooseCandidate(Json):
    """A model that a choice may be made among."""

    name: str = Field(description="What `models` takes.")
    origin: Literal["catalogue", "run", "served"] = Field(description="Where it is known from.")
    about: str = Field(description="Its maker; of a run, the model that it began from.")
    here: bool = Field(description="Its files are on this machine.")
    remote: bool = Field(description="It answers over the network, for money.")
    tasks: list[str] = Field(description="What it does as published; empty where nobody says.")
    parameters: int | None = Field(description="Numbers in the model.")
    licence: str = Field(description="Its licence; empty where nobody says.")


class ChooseCandidates(Json):
    """All of them."""

    candidates: list[ChooseCandidate] = Field(description="Those of this machine first.")


class ChooseLane(Json):
    """How far one model is."""

    name: str = Field(description="The candidate.")
    done: int = Field(description="Rows answered.")
    total: int = Field(description="Rows there are.")


class ChooseFailure(Json):
    """Why a choice failed."""

    type: str = Field(description="Name of the error.")
    message: str = Field(description="What was got and what was wanted.")
    hint: str = Field(description="What to do next; may be empty.")


class ChooseJob(Json):
    """A choice under way."""

    job: str = Field(description="Its id.")
    state: State = Field(description="How it stands.")
    ahead: int = Field(description="Choices that are made before this one.")
    opening: str = Field(description="The model that is loaded now; empty while none is.")
    lanes: list[ChooseLane] = Field(description="How far each model is in the race.")
    seconds: float = Field(description="Since it began; 0 while it waits.")
    result: ChooseOut | None = Field(description="As `sibao choose --json` prints it; null until it is done.")
    failure: ChooseFailure | None = Field(description="What went wrong; null where nothing did.")


class ChooseStarted(Json):
    """A choice was taken."""

    job: str = Field(description="Ask `/api/choose/{job}` how it goes.")
