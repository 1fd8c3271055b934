"""The JSON object of ``sibao fit``."""

from __future__ import annotations

from pydantic import Field

from sibao.workflows._schema_base import Head, Json


class FitMachine(Json):
    """This machine."""

    memory: int = Field(description="Bytes of RAM (or the container's limit).")
    available: int = Field(description="Bytes of it that are free.")
    disk: int = Field(description="Bytes free where runs are kept.")
    accelerators: list[list[str | int]] = Field(description="Name and free bytes of each GPU.")


class FitWay(Json):
    """One way to use the model, in bytes."""

    name: str = Field(description="`inference`, or the way of training.")
    precision: str = Field(description="Of the weights when answering, of the arithmetic when training.")
    weights: int = Field(description="Weights in memory.")
    cache: int = Field(description="Keys and values of all requests at their full length.")
    optimizer: int = Field(description="State of the optimizer.")
    gradients: int = Field(description="All gradients; a part of `work`.")
    work: int = Field(description="Activations and gradients together at their peak.")
    base: int = Field(description="Interpreter, PyTorch and Sibao themselves; measured.")
    file: int = Field(
        description="Pages of the weight file while its numbers are converted; the system takes them back."
    )
    most: int = Field(description="Longest context (inference) or most rows of a micro-batch (training) that fit.")
    slack: int = Field(description="Freed memory that the allocator keeps.")
    total: int = Field(description="All of it together.")
    fits: bool = Field(description="There is free memory for it.")
    fits_accelerator: bool = Field(description="A GPU of this machine holds it.")
    disk: int | None = Field(None, description="Training: bytes of the checkpoints a run keeps.")
    fits_disk: bool | None = Field(None, description="Training: there is room for them.")


class FitSpeed(Json):
    """A prediction from two measured figures; a limit, not a promise."""

    precision: str = Field(description="Of the weights.")
    bandwidth: float = Field(description="Bytes of weights a second in a product with one vector; measured.")
    arithmetic: float = Field(description="Operations a second in a product of matrices; measured.")
    decode_tokens_per_second: float = Field(description="Written by one request with `context` tokens behind it.")
    prefill_tokens_per_second: float = Field(description="Read.")


class FitOut(Head):
    """`fit`."""

    family: str = Field(description="The model's family.")
    kind: str = Field(description="`decoder`, `encoder`, `encoder-decoder`, or `transformers` for what only that runs.")
    parameters: int = Field(description="Parameters, a tied vocabulary counted once.")
    active_parameters: int = Field(description="Parameters that one token passes through.")
    context: int = Field(description="Tokens of each request and each row.")
    batch: int = Field(description="Requests at once, and rows of a micro-batch.")
    longest_context: int = Field(description="Tokens the model holds; 0 where its config does not say.")
    weight_bytes: dict[str, int] = Field(description="Bytes of the weights in each precision.")
    cache_bytes_per_token: dict[str, int] = Field(description="Bytes of keys and values of one token.")
    machine: FitMachine = Field(description="What it is held against.")
    inference: list[FitWay] = Field(description="Answering, in each precision.")
    training: list[FitWay] = Field(description="Each way of training; empty for kind `transformers`.")
    speed: list[FitSpeed] = Field(description="Predicted speed in each precision; empty for encoders.")
