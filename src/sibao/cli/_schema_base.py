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
