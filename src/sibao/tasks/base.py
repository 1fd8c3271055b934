"""What a task is: fields, prompt, target, parse, metrics, defined once.

The same object renders the training example, the prompt, the evaluation row and the served endpoint, so that no two of
them can disagree. A task knows no model and no tokenizer; ``tasks.long`` runs one on a model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Generic, Literal, TypeVar

from sibao.core.errors import DataError, UnknownName
from sibao.core.names import load_module, module_names
from sibao.core.types import FinishReason, Language, Message, Row, Usage
from sibao.text.language import detect

PACKAGE = "sibao.tasks"
NOT_TASKS = frozenset({"forms", "long"})
"""Machinery that lives beside the tasks."""

Target = str | tuple[str, ...]
"""What a row wants: one text, or the accepted answers (none at all for a question the passage does not answer)."""
Strategy = Literal["merge", "search", "pieces", "refuse"]
"""Summarize the parts and merge; search the parts; work part by part; refuse."""
InputsT = TypeVar("InputsT")


@dataclass(frozen=True)
class Example(Generic[InputsT]):
    """A worked example: ``read(row, **options)`` gives ``inputs`` and a target whose text is ``completion``;
    ``parse(completion, inputs)`` gives ``parsed``."""

    language: Language
    row: Row
    inputs: InputsT
    completion: str
    parsed: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskResult:
    """One finished task. ``fields`` are the task's own (``parse`` without ``text``, and ``pieces``), ``notes`` say
    what was done to fit the text into the model. ``seconds`` is wall time."""

    text: str
    finish_reason: FinishReason
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    fields: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The task object of the JSON contract."""
        usage = {"prompt_tokens": self.usage.prompt_tokens, "completion_tokens": self.usage.completion_tokens}
        head = {"text": self.text, "finish_reason": self.finish_reason, "usage": usage, "seconds": self.seconds}
        return {**head, **self.fields, "notes": list(self.notes)}


class Task(ABC, Generic[InputsT]):
    """One job of a language model.

    ``fields`` is the frozen dataclass of inputs (it refuses empty and wrong-typed values by name), ``version`` goes
    into every signature and changes with any prompt, ``stop`` ends the answer of a model that is given ``plain``.
    ``main`` names the field that a bare value of the command line goes to, where that is no document.
    ``document`` names the field that may be longer than a model can hold, ``strategy`` what ``tasks.long`` then does.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    fields: ClassVar[type]
    metrics: ClassVar[tuple[str, ...]]
    stop: ClassVar[tuple[str, ...]] = ()
    main: ClassVar[str] = "prompt"
    document: ClassVar[str] = ""
    strategy: ClassVar[Strategy] = "refuse"

    @property
    @abstractmethod
    def examples(self) -> tuple[Example[InputsT], ...]:
        """Worked examples, at least one in each language."""

    @abstractmethod
    def read(self, row: Row, **options: Any) -> tuple[InputsT, Target | None]:
        """Inputs and target (None where the row has none) of one published row.

        Raises:
            DataError: a field is missing, empty or of the wrong type; names the field.
        """

    @abstractmethod
    def messages(self, inputs: InputsT) -> list[Message]:
        """The prompt, for a model with a chat template."""

    @abstractmethod
    def plain(self, inputs: InputsT) -> str:
        """The prompt as bare text, for a model without a chat template; the answer follows it directly."""

    def source(self, inputs: InputsT) -> str:
        """What an encoder-decoder reads, without the words that name the work."""
        return self.plain(inputs)

    def kind(self, inputs: InputsT) -> str:
        """The work's name in ``task_specific_params`` of T5's config files, which say the words before a source."""
        return self.name

    @abstractmethod
    def parse(self, text: str, inputs: InputsT) -> dict[str, Any]:
        """The task's fields from the model's text; always holds ``text``."""

    @abstractmethod
    def max_tokens(self, inputs: InputsT) -> int:
        """A generous bound on the answer, used when the caller names none."""

    def inputs(self, **values: Any) -> InputsT:
        """Inputs by field name.

        Raises:
            DataError: an unknown, missing, empty or wrong-typed field, by name.
        """
        known = [f.name for f in fields(self.fields)]
        for name in values:
            if name not in known:
                raise DataError(f"{self.name} has no such field", field=name, hint=f"fields: {', '.join(known)}")
        try:
            return self.fields(**values)
        except TypeError as fault:  # a required field was left out
            missing = next((n for n in known if n not in values), "")
            raise DataError("missing", field=missing, hint=f"{self.name} needs it") from fault

    def language(self, inputs: InputsT, references: Sequence[str]) -> Language:
        """The language that answers are in, by whose rules they are scored."""
        return detect(" ".join(references) or str(inputs))

    def target(self, inputs: InputsT, value: Target) -> str:
        """The text the model should write, as trained on."""
        return value if isinstance(value, str) else value[0]

    def references(self, value: Target) -> list[str]:
        """The accepted texts, as metrics take them."""
        return [value] if isinstance(value, str) else list(value) or [""]

    def training_pairs(self, row: Row) -> list[tuple[InputsT, str]]:
        """Every (inputs, text to learn) that a row holds.

        Raises:
            DataError: the row cannot be read, or has no target.
        """
        inputs, value = self.read(row)
        if value is None:
            raise DataError(f"a {self.name} row without a target cannot be trained on, got {sorted(row)}")
        return [(inputs, self.target(inputs, value))]


def text_field(row: Mapping[str, Any], *names: str) -> str:
    """The first of ``names`` that the row has, as non-empty text.

    Raises:
        DataError: none of them is there, or the value is no text, or is empty.
    """
    for name in names:
        if row.get(name) is not None:
            check_text(name, row[name])
            return str(row[name])
    wanted = " or ".join(repr(name) for name in names)
    raise DataError(f"missing, the row has {sorted(map(str, row))}", field=names[0], hint=f"the row needs {wanted}")


def target_field(row: Mapping[str, Any], name: str) -> Target | None:
    """What a row wants under ``name``: one text, or several accepted ones where it holds a list; None where it has none.

    Raises:
        DataError: the value, or one of the list, is no text or is empty; an empty list.
    """
    value = row.get(name)
    if value is None or isinstance(value, str):
        return None if value is None else text_field(row, name)
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f"got {type(value).__name__ if value != [] else 'an empty list'}, wanted text", field=name)
    for one in value:
        check_text(name, one)
    return tuple(dict.fromkeys(value))


def check_text(name: str, value: object, *, empty: bool = False) -> None:
    """Refuse a field that is not text, or is blank where ``empty`` is not allowed.

    Raises:
        DataError: names the field.
    """
    if not isinstance(value, str):
        raise DataError(f"got {type(value).__name__}, wanted text", field=name)
    if not empty and not value.strip():
        raise DataError("got empty text, wanted something to work on", field=name)


def check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse a field outside a closed list.

    Raises:
        DataError: names the field and the list.
    """
    if value not in known:
        raise DataError(f"got {value!r}, wanted {' or '.join(known)}", field=name)


def user(content: str) -> list[Message]:
    """One user turn."""
    return [{"role": "user", "content": content}]


def task_names() -> list[str]:
    """Every task there is, by file name."""
    return [name for name in module_names(PACKAGE) if name not in NOT_TASKS]


def load_task(name: str) -> Task[Any]:
    """The task of ``tasks/<name>.py``.

    Raises:
        UnknownName: no such task; the nearest names are listed.
    """
    known = task_names()
    if name not in known:
        raise UnknownName("task", name, known)
    task: Task[Any] = load_module(PACKAGE, name, "task").TASK
    return task
