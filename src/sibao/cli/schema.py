"""Every JSON object that ``--json`` prints, as pydantic models. ``sibao.cli.reference`` makes docs/json.md of them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from sibao.cli._schema_check import CheckOut
from sibao.cli._schema_export import ExportOut, QuantizeOut
from sibao.cli._schema_fit import FitOut
from sibao.workflows._schema_base import Head, Json, Score
from sibao.workflows._schema_boards import CompareOut, LeaderboardOut
from sibao.workflows._schema_choose import ChooseImportOut, ChooseListOut, ChooseOut
from sibao.workflows._schema_evaluate import EvaluateOut, PreviewOut, ScorecardOut, SuitesOut, SuitesRunOut
from sibao.workflows._schema_records import Amount, BadRow, Duplicates, ListedRun, Run


class Usage(Json):
    """Tokens counted by the model's provider."""

    prompt_tokens: int = Field(description="Tokens read, over all calls.")
    completion_tokens: int = Field(description="Tokens written, over all calls.")


class TaskResult(Json):
    """What every task gives for one text."""

    text: str = Field(description="The text the model wrote.")
    finish_reason: Literal["stop", "length", "cancelled", "error"] = Field(
        description="`stop`: it ended by itself; `length`: it met the limit of new tokens."
    )
    usage: Usage = Field(description="Tokens read and written.")
    seconds: float = Field(description="Wall time, without loading the model.")
    notes: list[str] = Field(description="What was done to fit the text into the model; empty as a rule.")


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

    results: list[Translated | Answered | Summarized | Described | Generated] = Field(
        description="One object for each text, in order, as for one text but without the three fields of the head."
    )


class TrainOut(Head):
    """`pretrain` and `finetune`. `model` is the folder of the finished model or adapter, null when stopped early."""

    run: str = Field(description="Id of the run; `--resume` takes it.")
    kind: str = Field(description="`training`.")
    status: Literal["running", "done", "failed", "stopped"] = Field(description="`stopped`: it can be resumed.")
    folder: str = Field(description="Folder of the run: log, checkpoints, tokens.")
    steps: int = Field(description="Optimizer steps done.")
    tokens: int = Field(description="Tokens read in training.")
    seconds: float = Field(description="Time spent training, over all resumes.")
    valid_loss: float | None = Field(description="Last validation loss, in nats per token.")
    bits_per_byte: float | None = Field(description="The same in bits per byte of text.")
    joules: float = Field(description="Energy used.")
    energy: str = Field(description="`measured` by a meter, or `estimated` from stated figures.")
    scores: list[Score] = Field(description="Empty for trainings.")


class RunOut(Head, Run):
    """`runs show`; `model` is the run's."""


class RunsOut(Head):
    """`runs` and `runs list`."""

    runs: list[ListedRun] = Field(description="The newest first.")


class DeletedOut(Head):
    """`runs delete`."""

    run: str = Field(description="Id of the run that was deleted.")
    deleted: Literal[True] = Field(description="Always true.")


class DataOut(Head, Amount):
    """`data inspect` and `data prepare`; `model` is null."""

    files: list[str] = Field(description="Files read.")
    output: str | None = Field(description="File written; null for `inspect`.")
    rows: int = Field(description="Rows read.")
    kinds: dict[str, int] = Field(description="Rows by published form.")
    languages: dict[str, Amount] = Field(description="Amounts by language: zh, en, other.")
    duplicates: Duplicates = Field(description="Duplicates.")
    dropped: dict[str, int] = Field(description="Documents dropped, by reason.")
    bad_rows: int = Field(description="Rows that could not be read.")
    bad: list[BadRow] = Field(description="The first of them.")
    seconds: float = Field(description="Wall time.")


class TokenizerOut(Head):
    """`tokenizer train`; `model` is null."""

    folder: str = Field(description="Folder written.")
    vocab_size: int = Field(description="Entries in all.")
    documents: int = Field(description="Documents read.")
    seconds: float = Field(description="Wall time.")
    languages: dict[str, Amount] = Field(description="How it cuts the text it was trained on, by language.")


class Token(Json):
    """One token of a text."""

    id: int = Field(description="Its id.")
    token: str = Field(description="Its name in the vocabulary.")
    text: str = Field(description="Its text; U+FFFD where it is a part of a character.")


class TokensOut(Head):
    """`tokenizer inspect`."""

    characters: int = Field(description="Characters of the text.")
    count: int = Field(description="Tokens of the text.")
    tokens_per_character: float = Field(description="The second by the first.")
    exact: bool = Field(description="The tokens give the text back, to the byte.")
    tokens: list[Token] = Field(description="The tokens in order.")


class Check(Json):
    """One thing that `doctor` looked at."""

    name: str = Field(description="What.")
    status: Literal["ok", "warn", "fail"] = Field(description="`warn`: Sibao works, but something is missing.")
    value: str = Field(description="What was found.")
    hint: str = Field(description="What to do; empty when all is well.")


class DoctorOut(Head):
    """`doctor`; the exit code is 1 when `ok` is false."""

    ok: bool = Field(description="Nothing has failed.")
    checks: list[Check] = Field(description="All that was looked at.")


class DemoOut(Head):
    """`demo`; beside the head it holds what each step of the demonstration gave."""

    model_config = ConfigDict(extra="allow")


class Failure(Json):
    """What went wrong."""

    type: str = Field(
        description="Name of the error: BadInput, DataError, UnknownName, ContextOverflow, ModelError ..."
    )
    message: str = Field(description="What was got and what was wanted.")
    hint: str = Field(description="What to do next; may be empty.")


class FailureOut(Head):
    """Any command that failed, with exit code 1 (failure) or 2 (bad input); `model` is null."""

    error: Failure = Field(description="What went wrong.")


OBJECTS: tuple[type[Head], ...] = (
    GenerateOut, TranslateOut, AnswerOut, SummarizeOut, DescribeOut, SeveralOut, TrainOut, EvaluateOut,
    SuitesRunOut, PreviewOut, SuitesOut, ScorecardOut, CompareOut,
    ChooseOut, ChooseListOut, ChooseImportOut, LeaderboardOut, RunsOut, RunOut, DeletedOut, DataOut, TokenizerOut, TokensOut,
    CheckOut, FitOut, DoctorOut, ExportOut, QuantizeOut, DemoOut, FailureOut,
)  # fmt: skip
"""What can stand on stdout, in the order of the document."""
