"""What runs in a worker: the model, the methods that pieces of work are for, and how its errors travel."""

from __future__ import annotations

from typing import Any

from sibao.core import errors
from sibao.core.errors import ModelError
from sibao.core.types import Prompt


class Died:
    """In place of a result: the worker is gone."""


class Worker:
    """What runs in a process or an actor: the model, and the methods that pieces are for."""

    def __init__(self, name: str, how: dict[str, Any]) -> None:
        from sibao.providers.load import load

        self.model: Any = load(name, **how)

    def do(self, method: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
        """``("done", value)``, or ``("fault", fault)`` with what ``raised`` makes the error of again."""
        try:
            own = getattr(self, method, None) or getattr(self.model, method)
            return "done", own(*arguments)
        except errors.SibaoError as error:
            return "fault", fault_of(error)

    def facts(self) -> dict[str, Any]:
        """What ``Spread`` shows of the model."""
        model = self.model
        own = getattr(model, "has_template", None)
        templated = getattr(getattr(model, "tokenizer", None), "has_template", True) if own is None else own
        return {
            "context": model.context, "has_template": bool(templated), "scores": hasattr(model, "score_text"),
            "source_form": getattr(model, "source_form", None),
        }  # fmt: skip

    def count_all(self, prompts: list[Prompt]) -> list[int]:
        """Tokens of each prompt."""
        return [self.model.count(prompt) for prompt in prompts]


def fault_of(error: errors.SibaoError) -> tuple[str, dict[str, Any]]:
    """An error as plain data, to be sent."""
    return type(error).__name__, {key: value for key, value in vars(error).items() if not key.startswith("_")}


def raised(fault: tuple[str, dict[str, Any]]) -> Exception:
    """The error that a worker had, with all that it said; a kind that is not of the tree becomes a ``ModelError``."""
    kind: Any = getattr(errors, fault[0], ModelError)
    if not (isinstance(kind, type) and issubclass(kind, errors.SibaoError)):
        kind = ModelError
    error: errors.SibaoError = kind.__new__(kind)
    Exception.__init__(error, fault[1]["message"])
    vars(error).update(fault[1])
    return error
