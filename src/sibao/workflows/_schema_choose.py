"""The JSON objects of ``sibao choose``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sibao.workflows._schema_base import Head, Json


class ChooseNeed(Json):
    """The task, and what told it."""

    task: str = Field(description="`generate`, `translate`, `answer`, `summarize`, `describe` or `unclear`.")
    why: str = Field(description="The fields of the rows, or the words of the need, that told.")
    confidence: float = Field(description="Share of what told that speaks for this task, 0 to 1.")
    to: str | None = Field(description="Language to translate into, where the words say it.")


class ChooseCell(Json):
    """One fact or figure of a candidate."""

    value: float | str | bool | list[str] | None = Field(description="The value; null where nobody knows.")
    unit: str = Field(description="Its unit.")
    source: str = Field(description="A page, a file, `this race`, or how it was worked out.")
    date: str = Field(description="When (ISO); may be empty.")
    kind: Literal["measured", "estimated", "stated"] = Field(description="How it is known.")
    low: float | None = Field(description="Lower end, where that is known.")
    high: float | None = Field(description="Upper end.")
    note: str = Field(description="A warning; empty as a rule.")


class ChooseExclusion(Json):
    """A limit that a candidate did not keep."""

    name: str = Field(description="The candidate.")
    limit: str = Field(description="The limit.")
    wanted: str = Field(description="What it asks.")
    got: str = Field(description="What was found; empty where nobody knows.")
    source: str = Field(description="Where that stands.")
    date: str = Field(description="When.")
    unknown: bool = Field(description="Nobody knows; `--allow-unknown` lets it pass.")


class ChooseBeaten(Json):
    """Why a model was dropped."""

    loser: str = Field(description="The model.")
    winner: str = Field(description="The model that was shown to be better.")
    rows: int = Field(description="Rows asked by then.")
    difference: float = Field(description="Mean difference on the rows that both answered.")
    odds: float = Field(description="The wealth bet on it.")
    needed: float = Field(description="What it had to reach.")


class ChooseLane(Json):
    """One model in the race."""

    name: str = Field(description="The candidate.")
    mean: float | None = Field(description="Mean of its values, 0 to 1; null where it answered nothing.")
    low: float = Field(description="Lower end of its always-valid interval.")
    high: float = Field(description="Upper end.")
    level: float = Field(description="Confidence of the interval.")
    n: int = Field(description="Rows answered.")
    missing: int = Field(description="Rows that could not be answered; neither right nor wrong.")
    tokens: int = Field(description="Tokens read and written.")
    cost: float = Field(description="Money spent.")
    beaten: ChooseBeaten | None = Field(description="Why it was dropped; null where it was not.")


class ChooseRace(Json):
    """How the race went."""

    stopped: Literal["one left", "rows", "budget"] = Field(description="Why it ended.")
    survivors: list[str] = Field(description="Models that no other was shown to be better than.")
    rows: int = Field(description="Rows there were.")
    delta: float = Field(description="Probability of any wrong statement.")
    tokens: int = Field(description="Tokens of all models.")
    full_tokens: int = Field(description="What all models on all rows would have taken.")
    cost: float = Field(description="Money spent in all.")
    lanes: list[ChooseLane] = Field(description="The models.")


class ChooseSpan(Json):
    """Who would be the pick along a weight."""

    name: str = Field(description="The candidate.")
    low: float = Field(description="From this share of all weight.")
    high: float = Field(description="To this one.")


class ChoosePick(Json):
    """The pick and its reasons."""

    name: str | None = Field(description="The candidate; null where there is none.")
    by: Literal["race", "weights", "only one left", "nobody"] = Field(description="What decided.")
    verdict: Literal["best", "not distinguishable", "not raced"] = Field(description="What the race says of quality.")
    rivals: list[str] = Field(description="Those among whom the weights decided.")
    weights: dict[str, float] = Field(description="Weights in use, adding up to 1.")
    unused: list[str] = Field(description="Weights without effect: not known for all, or the same for all.")
    utilities: dict[str, float] = Field(description="Weighted sum of each rival.")
    front: list[str] = Field(description="Candidates that nobody beats in everything.")
    spans: dict[str, list[ChooseSpan]] = Field(description="For each weight, who would be the pick along it.")


class ChooseAnswer(Json):
    """One of the guide's questions."""

    question: str = Field(description="The question.")
    answer: list[str] = Field(description="The answer, in lines.")


class ChooseOut(Head):
    """`choose`; `model` is the pick's name, null where there is none."""

    run: str | None = Field(description="Id of the run; null where nothing was raced.")
    kind: Literal["choose"] = Field(description="Always `choose`.")
    status: Literal["done"] = Field(description="Always `done`.")
    task: str = Field(description="The task.")
    metric: str = Field(description="What was raced on; empty without a race.")
    need: ChooseNeed = Field(description="The task and what told it.")
    pick: ChoosePick = Field(description="The pick.")
    candidates: dict[str, dict[str, ChooseCell]] = Field(description="Cells of each candidate, by key.")
    excluded: list[ChooseExclusion] = Field(description="Who kept which limit not.")
    race: ChooseRace | None = Field(description="The race; null where fewer than two took part.")
    advice: list[ChooseAnswer] = Field(description="Answers to the guide's questions, without rows.")


class ChooseListOut(Head):
    """`choose --list`; `model` is null."""

    catalogue: list[dict[str, Any]] = Field(description="Every entry, with the keys of catalogue.toml.")


class ChooseFault(Json):
    """An entry of a list that could not be read."""

    entry: str = Field(description="Its name in the list.")
    message: str = Field(description="What is wrong.")


class ChooseImported(Json):
    """What an import did."""

    file: str = Field(description="The catalogue written.")
    form: str = Field(description="`LiteLLM` or `models.dev`.")
    taken: int = Field(description="Models taken.")
    unnamed: int = Field(description="Models of providers that have no name here.")
    faults: list[ChooseFault] = Field(description="Entries that could not be read.")


class ChooseImportOut(Head):
    """`choose --import`; `model` is null."""

    imported: ChooseImported = Field(description="What was done.")
