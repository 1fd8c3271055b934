"""What the tasks' routes take and give. The fields are those of each task's inputs, in ``sibao.tasks``.

A body holds one text, or ``inputs`` with several; what stands beside ``inputs`` holds for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator
from pydantic.functional_validators import ModelWrapValidatorHandler

from sibao.core.types import Language
from sibao.workflows._schema_base import Head, Json, RowFailure
from sibao.workflows._schema_tasks import Answered

MOST_ROWS = 256
DataURL = Annotated[str, Field(pattern="^data:image/", description="`data:image/png;base64,...`; nothing is fetched.")]
T = TypeVar("T")


class Broken(str):
    """What is wrong with a row that could not be read."""


def _kept(row: Any, read: ModelWrapValidatorHandler[Any]) -> Any:
    """A row that cannot be read fails alone."""
    try:
        return read(row)
    except ValidationError as error:
        if not isinstance(row, dict):
            return Broken(f"got {type(row).__name__}, wanted a text or an object with the fields of one")
        first = error.errors()[0]
        where = ".".join(str(part)[:80] for part in first["loc"] if isinstance(part, int) or not part[:1].isupper())
        return Broken(f"{where}: {first['msg']}"[:400])


Alone = WrapValidator(_kept)


class Taken(BaseModel):
    """An object that a client sends."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, allow_inf_nan=False)


class Options(Taken):
    """The model, and how its tokens are drawn. Left out: as the task likes it."""

    model: str | None = Field(None, max_length=4096, description="One of `/v1/models`; null: the first.")
    stream: bool | None = Field(None, description="Events: pieces of the text, progress, and the result at the end.")
    max_tokens: int | None = Field(None, ge=1, lt=2**31, description="Most new tokens of one call of the model.")
    temperature: float | None = Field(None, ge=0, le=10, description="0: the likeliest token each time.")
    top_k: int | None = Field(None, ge=0, lt=2**31)
    top_p: float | None = Field(None, gt=0, le=1)
    min_p: float | None = Field(None, ge=0, le=1)
    typical_p: float | None = Field(None, gt=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    presence_penalty: float | None = Field(None, ge=-10, le=10)
    frequency_penalty: float | None = Field(None, ge=-10, le=10)
    logit_bias: dict[int, float] | None = Field(None, max_length=1024, description="By token: added to its logit.")
    min_tokens: int | None = Field(None, ge=0, lt=2**31)
    seed: int | None = Field(None, ge=0, lt=2**31, description="The same seed, the same text.")
    num_beams: int | None = Field(None, ge=1, le=16, description="Above 1: beam search.")
    num_return_sequences: int | None = Field(None, ge=1, le=16, description="Of a search: so many of the best texts.")
    length_penalty: float | None = Field(None, ge=-10, le=10)
    stop: str | list[str] | None = Field(None, description="Texts that end the answer.")

    def sampling(self) -> dict[str, Any]:
        """What ``workflows.jobs.job`` takes."""
        found = self.model_dump(include=set(Options.model_fields) - {"model", "stream"}, exclude_none=True)
        if self.logit_bias:
            found["logit_bias"] = tuple(self.logit_bias.items())
        return found


class TextPart(Taken):
    """Words within a turn."""

    type: Literal["text"]
    text: str


class ImagePart(Taken):
    """A picture within a turn."""

    type: Literal["image"]
    image: DataURL


class TaskTurn(Taken):
    """An earlier turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str | list[TextPart | ImagePart]


class Row(Taken):
    """The fields of one text; each may be left out where it has a default, or stands beside ``inputs``."""

    main: ClassVar[str] = "text"

    def values(self) -> dict[str, Any]:
        """By the names of the task's inputs."""
        return self.model_dump(include=_own(type(self)), exclude_none=True)


def _own(kind: type[Row]) -> set[str]:
    """The fields of a row, in a body too."""
    row = next(base for base in kind.__mro__ if issubclass(base, Row) and Row in base.__bases__)
    return set(row.model_fields)


class GenerateRow(Row):
    """One prompt."""

    main: ClassVar[str] = "prompt"
    prompt: str | None = Field(None, description="The text to go on from, or an instruction.")
    form: str | None = Field(None, max_length=100, description="poem, code, script, music or story.")
    style: str | None = Field(None, max_length=100, description="Style of the form.")
    language: Language | Literal[""] | None = Field(None, description="Of the instruction.")
    history: list[TaskTurn] | None = Field(None, description="Turns before the prompt.")
    pictures: list[DataURL] | None = Field(None, max_length=16, description="Shown before the prompt.")

    def values(self) -> dict[str, Any]:
        """By the names of the task's inputs."""
        found = super().values()
        if self.pictures is not None:
            found["pictures"] = tuple({"type": "image", "image": one} for one in self.pictures)
        return found


class TranslateRow(Row):
    """One text to translate."""

    text: str | None = Field(None, description="The text, of any length.")
    source: Language | Literal[""] | None = Field(None, alias="from", description="Its language; null: the other one.")
    to: Language | Literal[""] | None = Field(None, description="The language wanted; null: the one it is not in.")


class AnswerRow(Row):
    """One question about a passage."""

    main: ClassVar[str] = "question"
    question: str | None = Field(None, description="The question.")
    context: str | None = Field(None, description="The passage, of any length.")


class SummarizeRow(Row):
    """One text to make short."""

    text: str | None = Field(None, description="The text, of any length.")


_INPUTS = Field(None, min_length=1, max_length=MOST_ROWS, description="Several texts; one that fails does so alone.")


class GenerateBody(GenerateRow, Options):
    """`generate`."""

    response_format: dict[str, Any] | None = Field(None, description="As OpenAI's; also regex, grammar and choice.")
    raw: bool | None = Field(None, description="Go on from the text as it stands, without the chat template.")
    inputs: list[Annotated[GenerateRow | str, Alone]] | None = _INPUTS

    def sampling(self) -> dict[str, Any]:
        """What ``workflows.jobs.job`` takes."""
        return super().sampling() | {"raw": bool(self.raw), "response_format": self.response_format}


class TranslateBody(TranslateRow, Options):
    """`translate`."""

    inputs: list[Annotated[TranslateRow | str, Alone]] | None = _INPUTS


class AnswerBody(AnswerRow, Options):
    """`answer`."""

    inputs: list[Annotated[AnswerRow | str, Alone]] | None = _INPUTS


class SummarizeBody(SummarizeRow, Options):
    """`summarize`."""

    inputs: list[Annotated[SummarizeRow | str, Alone]] | None = _INPUTS


Body = GenerateBody | TranslateBody | AnswerBody | SummarizeBody


class TaskSpan(Json):
    """Characters of the passage, the end not among them."""

    start: int = Field(description="The first one.")
    end: int = Field(description="Behind the last one.")


class AnsweredHere(Answered):
    """One text of `answer`."""

    span: TaskSpan | None = Field(description="Where the answer stands; null where it does not.")


class AnswerHereOut(Head, AnsweredHere):
    """`answer` with one question."""


class Several(Head, Generic[T]):
    """A task with `inputs`."""

    results: list[T | RowFailure] = Field(
        description="One for each text, in order, without the three fields of the head."
    )


def row_values(body: Body, row: Any) -> Mapping[str, Any]:
    """A row's fields with those that hold for all; a bare text is the main one."""
    own = {row_main(body): str(row)} if isinstance(row, str) else row.values()
    return body.values() | own


def row_main(body: Body) -> str:
    """The field that a bare text goes to."""
    return type(body).main
