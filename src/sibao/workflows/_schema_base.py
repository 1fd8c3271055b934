"""What every JSON object on stdout is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Json(BaseModel):
    """A JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Head(Json):
    """What every object on stdout begins with."""

    command: str = Field(description="The command that ran, such as `translate` or `data prepare`.")
    model: str | None = Field(description="The model's name; null where no model took part.")
    version: str = Field(description="Version of Sibao.")


class Score(Json):
    """One measured number, with how it was made."""

    name: str = Field(description="The metric.")
    value: float | None = Field(description="Its value; null if it is not defined on these rows.")
    low: float | None = Field(description="Lower end of the interval; null where none is defined.")
    high: float | None = Field(description="Upper end of the interval.")
    level: float = Field(description="Confidence of the interval.")
    n: int = Field(description="Rows scored.")
    missing: int = Field(description="Rows that could not be scored; never counted as wrong.")
    chance: float | None = Field(description="What guessing gives; null if unknown.")
    signature: str = Field(description="How the number was made, so that it can be made again.")


class Failure(Json):
    """What went wrong."""

    type: str = Field(
        description="Name of the error: BadInput, DataError, UnknownName, ContextOverflow, ModelError ..."
    )
    message: str = Field(description="What was got and what was wanted.")
    hint: str = Field(description="What to do next; may be empty.")


class RowFailure(Json):
    """Why there is no result; in place of one where several were asked for."""

    error: Failure = Field(description="What went wrong.")
