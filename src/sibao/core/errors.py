"""The one exception tree. Every message says what was got, what was wanted and what to do next.

SibaoError                 exit 1   anything Sibao reports on purpose
├── BadInput               exit 2   the user gave something that cannot be used
│   ├── UnknownName        a task, family, metric, form or provider that does not exist (nearest names are listed)
│   ├── ConfigError        a recipe, config.toml or environment value that is wrong
│   └── DataError          a data file or row (file, line, field)
├── ModelError             a model folder that is damaged, unsafe or does not fit its config
│   └── UnsupportedModel   a sound one that Sibao's own networks do not compute; Transformers may
├── ContextOverflow        a prompt longer than the model can hold (the numbers are given)
├── TrainingError          a run that cannot go on (NaN loss, disk full); the last checkpoint is intact
├── ProviderError          a model that runs elsewhere failed (``retryable`` says whether to try again)
│   └── BudgetExceeded     the next call might cost more than the user allows; nothing was sent
├── Refused                a server does not take a request now, or from this caller
├── StoreError             the database of results
└── MissingPackage         an optional package (the install line is the hint)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SibaoError(Exception):
    """Base of all errors that Sibao raises on purpose.

    Args:
        message: what was got and what was wanted.
        hint: what to do next; printed on a line of its own.
    """

    exit_code = 1
    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def to_json(self) -> dict[str, object]:
        """The error object of every ``--json`` failure."""
        return {"error": {"type": type(self).__name__, "message": self.message, "hint": self.hint}}


class BadInput(SibaoError):
    """The user gave something that cannot be used."""

    exit_code = 2


class UnknownName(BadInput):
    """A name that is not in a closed list; the message names the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none yet'}"
        super().__init__(f"no {kind} named {name!r}", hint=hint)
        self.kind, self.known = kind, known


class ConfigError(BadInput):
    """A recipe, ``config.toml`` or environment value that is wrong."""


class DataError(BadInput):
    """A data file or row that cannot be used; says where.

    Args:
        message: what is wrong.
        file, line, field: where, as far as known (line counts from 1).
    """

    def __init__(self, message: str, *, file: str = "", line: int = 0, field: str = "", hint: str = "") -> None:
        where = (file + (f":{line}" if line else "") + (f" field {field!r}" if field else "")).lstrip()
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.file, self.line, self.field = file, line, field


class ModelError(SibaoError):
    """A model folder that is damaged, unsafe, or does not fit its own config."""


class UnsupportedModel(ModelError):
    """An architecture, variant or config key that Sibao's own networks do not compute."""


class ContextOverflow(SibaoError):
    """A prompt that is longer than the model can hold.

    Args:
        got: tokens in the prompt (plus those asked for).
        limit: tokens the model can hold.
    """

    def __init__(self, got: int, limit: int, *, what: str = "prompt and new tokens", hint: str = "") -> None:
        super().__init__(
            f"{what} need {got} tokens, the model holds {limit}",
            hint=hint or "shorten the text, ask for fewer tokens, or use a model with a longer context",
        )
        self.got, self.limit = got, limit


class TrainingError(SibaoError):
    """A training run that cannot go on; its last good checkpoint is intact."""


class ProviderError(SibaoError):
    """A model that runs elsewhere failed."""

    def __init__(self, message: str, *, hint: str = "", retryable: bool = False, status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable
        self.status = status


class BudgetExceeded(ProviderError):
    """The next call might pass the user's limit; nothing was sent. The rows it was for are missing."""


class Refused(SibaoError):
    """A server does not take a request now, or from this caller.

    Args:
        status: of HTTP. seconds: to wait before asking again.
    """

    def __init__(
        self, status: int, message: str, *, hint: str = "", seconds: float | None = None, code: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.seconds, self.code = status, seconds, code


class StoreError(SibaoError):
    """The database of runs and results could not be read or written."""


class MissingPackage(SibaoError):
    """An optional package is needed; ``extra`` is the name of Sibao's extra that brings it."""

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}", hint=f"pip install 'sibao[{extra}]'")
