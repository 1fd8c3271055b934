"""The JSON objects of `sibao export` and `sibao quantize`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sibao.workflows._schema_base import Head


class ExportOut(Head):
    """`export`."""

    folder: str = Field(description="The folder written.")
    format: Literal["hf", "gguf", "adapter"] = Field(description="What was written.")
    family: str = Field(description="The model's family.")
    precision: str = Field(description="Number format of the weights; `as trained` for an adapter.")
    parameters: int = Field(description="Weights of the model.")
    merged: bool = Field(description="An adapter was written into the weights.")
    files: dict[str, int] = Field(description="Each file and its bytes.")
    bytes: int = Field(description="Bytes of all files.")
    scores: int = Field(description="Scores of the store that stand in the model card.")
    notes: list[str] = Field(description="What a user of the export should know.")


class QuantizeOut(Head):
    """`quantize`."""

    folder: str = Field(description="The folder written.")
    family: str = Field(description="The model's family.")
    precision: Literal["int8", "int4"] = Field(description="Of the linear layers inside the stack.")
    parameters: int = Field(description="Weights of the model.")
    before: int = Field(description="Bytes of the weights as they were.")
    kept: list[str] = Field(description="Linear layers that stay as they were; embeddings and norms do too.")
    files: dict[str, int] = Field(description="Each file and its bytes.")
    bytes: int = Field(description="Bytes of all files.")
