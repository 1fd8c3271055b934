"""Where a model of this process computes, and whether its answers are to be the same to the bit in any company."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sibao.core.errors import BadInput, UnknownName

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")
"""The last may name one of several: ``cuda:1``."""
_SHARE = 0.7
"""Part of a GPU's free memory that weights may take where nobody named a device; keys and values need the rest."""


def refuse_unknown_device(device: str) -> None:
    """Refuse a device that there cannot be.

    Raises:
        UnknownName: as it says.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise UnknownName("device", device, DEVICES)


def refuse_elsewhere(device: str, deterministic: bool, what: str) -> None:
    """Refuse for a model that does not run on Sibao's own engine what only that knows.

    Args:
        what: the model, with the reason.
    """
    for name, asked in (("device", device not in ("auto", "cpu")), ("deterministic", deterministic)):
        if asked:
            raise BadInput(f"{name} is for models that write on Sibao's own engine; {what}", hint="leave it out")


def place(asked: str, why_cpu: str, weight_bytes: int, name: str) -> torch.device:
    """The device that a model is put on: a GPU where it is asked for, or can be had and holds the weights.

    Args:
        why_cpu: the reason where the model runs on the CPU alone; empty where it can do both.
        weight_bytes: memory of its weights.

    Raises:
        BadInput: a GPU is asked for and there is none, or not for this model.
    """
    import torch

    if asked == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        fits = count and not why_cpu and weight_bytes <= _SHARE * torch.cuda.mem_get_info(0)[0]
        return torch.device("cuda:0" if fits else "cpu")
    if why_cpu:
        raise BadInput(f"{name} runs on the CPU: {why_cpu}", hint="leave the device out")
    wanted = torch.device(asked if ":" in asked else "cuda:0")
    if (wanted.index or 0) >= count:
        built = "" if torch.version.cuda else "; this PyTorch is built without CUDA"
        raise BadInput(f"the device is {asked}, and there are {count} GPUs here{built}", hint="use auto or cpu")
    return wanted


def refuse_chance(model: Any) -> None:
    """Refuse a model whose answers may depend on what is computed beside them.

    Raises:
        BadInput: as it says.
    """
    runner = getattr(getattr(model, "engine", None), "runner", None)
    if not getattr(runner, "exact", False):
        raise BadInput(f"{model.name} cannot be deterministic here", hint="take a decoder, or leave deterministic out")
