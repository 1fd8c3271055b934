"""The JSON object of ``sibao check --json``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sibao.workflows._schema_base import Head, Json


class Finding(Json):
    """One thing that `check` looked at."""

    name: str = Field(description="What; docs/check.md explains each.")
    status: Literal["ok", "warn", "fail"] = Field(description="`fail`: something disagrees.")
    got: str = Field(description="What was found.")
    wanted: str = Field(description="What it should be; empty when all is well.")
    hint: str = Field(description="What to do; empty when all is well.")


class CheckToken(Json):
    """One token of a worked example."""

    id: int = Field(description="Its id.")
    token: str | None = Field(description="Its name in the vocabulary; null for an id without one.")
    loss: bool = Field(description="Whether training learns it.")


class CheckSample(Json):
    """One worked example as training sees it."""

    source: str = Field(description="`built-in`, or file and line.")
    tokens: list[CheckToken] = Field(description="Its tokens in order.")


class Difference(Json):
    """The first token that two back ends choose differently."""

    place: int = Field(description="Which token of the answer, from 0.")
    token: int | None = Field(description="Chosen here; null where the answer had ended.")
    text: str = Field(description="Its text.")
    gap: float | None = Field(description="Lead over the second best, in logits; null where unknown.")
    other_token: int | None = Field(description="Chosen there; null where it ended or tells no ids.")
    other_text: str = Field(description="Its text.")
    other_gap: float | None = Field(description="Its lead there.")


class CheckBackend(Json):
    """What one back end answered to the prompt; the first one is what the others are compared with."""

    name: str = Field(description="The back end.")
    token_ids: list[int] = Field(description="The answer; for a server, the part that is the same.")
    text: str = Field(description="Its text.")
    max_difference: float | None = Field(description="Largest difference of logits (servers: log-probabilities).")
    tolerance: float | None = Field(description="What rounding explains.")
    difference: Difference | None = Field(description="The first token that differs; null if none does.")


class CheckOut(Head):
    """`check`; the exit code is 1 when `ok` is false."""

    ok: bool = Field(description="Nothing has failed.")
    kind: Literal["decoder", "encoder", "encoder-decoder", "unknown"] = Field(description="The kind of network.")
    findings: list[Finding] = Field(description="All that was looked at.")
    samples: list[CheckSample] = Field(description="Worked examples, with the tokens that carry loss.")
    backends: list[CheckBackend] = Field(description="One prompt, answered greedily on each back end.")
    not_checked: list[str] = Field(description="What could not be looked at, and why.")
