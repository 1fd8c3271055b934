"""Several prompts to a model that may fail at some of them: the others are answered all the same, and paid once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sibao.core.errors import ContextOverflow, ProviderError, SibaoError
from sibao.core.types import Completion, GenerateOptions, Model, Prompt

FAULTS = (ProviderError, ContextOverflow)
"""What one prompt may meet and another not: a provider that fails, a prompt that the model cannot hold."""


def each(model: Model, prompts: Sequence[Prompt], options: GenerateOptions) -> list[Completion | SibaoError]:
    """The completion of every prompt, or why there is none, in order. All with the same options, so that what a hosted model
    has answered before another prompt failed is found again."""
    found: dict[int, Completion | SibaoError] = {}
    _ask(model, dict(enumerate(prompts)), options, found)
    return [found[number] for number in range(len(prompts))]


def hopeless(error: object) -> bool:
    """Whether no other prompt can go better: the key is missing or wrong, or nothing is left to pay with."""
    if not isinstance(error, ProviderError):
        return False
    return error.status in (401, 402) or (error.status == 429 and not error.retryable)


def _ask(
    model: Any, todo: dict[int, Prompt], options: GenerateOptions, found: dict[int, Completion | SibaoError]
) -> None:
    """All at once; where that fails what was answered, and the halves of the others."""
    if not todo:
        return
    try:
        found |= zip(todo, model.generate(list(todo.values()), options), strict=True)
        return
    except FAULTS as error:
        fault = error
    if hasattr(model, "answered"):
        there = zip(todo, model.answered(list(todo.values()), options), strict=True)
        found |= {number: one for number, one in there if one is not None}
    left = [number for number in todo if number not in found]
    if len(left) == 1 or hopeless(fault):
        found |= dict.fromkeys(left, fault)
        return
    for half in (left[: len(left) // 2], left[len(left) // 2 :]):
        _ask(model, {number: todo[number] for number in half}, options, found)
