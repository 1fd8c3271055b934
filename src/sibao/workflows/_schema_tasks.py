"""The JSON objects of the tasks, as pydantic models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sibao.workflows._schema_base import Head, Json, RowFailure


class Usage(Json):
    """Tokens counted by the model's provider."""

    prompt_tokens: int = Field(description="Tokens read, over all calls.")
    completion_tokens: int = Field(description="Tokens written, over all calls.")


class OtherText(Json):
    """A text that a search found beside its best one."""

    text: str = Field(description="The text.")
    search_score: float | None = Field(description="As the best text's.")


class TaskResult(Json):
    """What every task gives for one text; `search_score` and `others` only with `--n-best`."""

    text: str = Field(description="The text the model wrote.")
    finish_reason: Literal["stop", "length", "cancelled", "error"] = Field(
        description="`stop`: it ended by itself; `length`: it met the limit of new tokens."
    )
    usage: Usage = Field(description="Tokens read and written.")
    seconds: float = Field(description="Wall time, without loading the model.")
    notes: list[str] = Field(description="What was done to fit the text into the model; empty as a rule.")
    search_score: float | None = Field(
        None, description="Its log-probability over its length to the length penalty; null where that is not known."
    )
    others: list[OtherText] | None = Field(None, description="The next best texts, best first.")


class FormCheck(Json):
    """Whether a text has the form asked for; nothing about whether it is good."""

    ok: bool = Field(description="No problem was found.")
    problems: list[str] = Field(description="What is wrong, in sentences.")
    facts: dict[str, Any] = Field(description="What was counted; depends on the form.")


class Generated(TaskResult):
    """One text of `generate` or `chat`; `form`, `style` and `check` only with `--form`."""

    form: str | None = Field(None, description="The form of writing.")
    style: str | None = Field(None, description="The style of the form; empty when none was named.")
    check: FormCheck | None = Field(None, description="Whether the text has that form.")


class Translated(TaskResult):
    """One text of `translate`."""

    source: Literal["zh", "en"] = Field(alias="from", description="Language of the text given.")
    to: Literal["zh", "en"] = Field(description="Language of the translation.")
    pieces: int = Field(description="Parts that the text was translated in.")


class Answered(TaskResult):
    """One text of `answer`; the text is empty when the passage does not answer the question."""

    start: int | None = Field(
        description="Offset of the answer in the passage, in characters; null if it is not there."
    )
    sentence: str | None = Field(description="The sentence of the passage that holds the answer.")
    pieces: int = Field(description="Parts that the passage was searched in.")


class Summarized(TaskResult):
    """One text of `summarize`."""

    pieces: int = Field(description="Parts that the text was summarized in before merging.")


class Described(TaskResult):
    """One picture, film or question of `describe`."""

    to: Literal["zh", "en"] = Field(description="Language of the answer.")
    question: str = Field(description="The question; empty where a description was asked for.")


class GenerateOut(Head, Generated):
    """`generate` with one text, and `chat`."""


class TranslateOut(Head, Translated):
    """`translate` with one text."""


class AnswerOut(Head, Answered):
    """`answer` with one question."""


class SummarizeOut(Head, Summarized):
    """`summarize` with one text."""


class DescribeOut(Head, Described):
    """`describe` with one picture or film."""


class SeveralOut(Head):
    """Any task with several texts."""

    results: list[Translated | Answered | Summarized | Described | Generated | RowFailure] = Field(
        description="One object for each text, in order, as for one text but without the three fields of the head; where one "
        "failed, why (exit code 1)."
    )
