"""The JSON objects of recorded runs and of what data files hold."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sibao.workflows._schema_base import Json, Score


class Run(Json):
    """A recorded run."""

    run: str = Field(description="Id; sorts by time.")
    kind: str = Field(description="pretrain, finetune, evaluate ...")
    status: Literal["running", "done", "failed", "stopped"] = Field(description="How it stands.")
    recipe: dict[str, Any] = Field(description="What it was made from.")
    result: dict[str, Any] = Field(description="What is known of it besides its scores.")
    message: str = Field(description="Why it failed; empty otherwise.")
    run_version: str = Field(description="Version of Sibao that ran it.")
    started: float = Field(description="Seconds since 1970, UTC.")
    finished: float | None = Field(description="The same; null while it runs.")
    scores: list[Score] = Field(description="Its scores.")


class ListedRun(Run):
    """A recorded run in a list."""

    model: str = Field(description="Name of the model or of the run.")


class Amount(Json):
    """Documents counted."""

    documents: int = Field(description="Rows kept.")
    characters: int = Field(description="Unicode characters.")
    bytes: int = Field(description="Bytes of UTF-8.")
    tokens: int | None = Field(description="Tokens; null without `--tokenizer`.")
    tokens_per_character: float | None = Field(description="Tokens for one character.")


class Duplicates(Json):
    """Duplicates found (`inspect`) or removed (`prepare`)."""

    exact: int = Field(description="The same after normalization.")
    near: int = Field(description="Nearly the same.")
    beyond_window: int = Field(description="Rows compared with the most recent ones only.")
    pairs: list[tuple[int, int, float]] = Field(description="Some near pairs: two row numbers and their likeness.")


class BadRow(Json):
    """A row that could not be read."""

    file: str = Field(description="The file.")
    line: int = Field(description="Line, from 1; 0 for the file as a whole.")
    field: str = Field(description="The field, if it is one.")
    message: str = Field(description="What is wrong.")
    hint: str = Field(description="What to do.")
