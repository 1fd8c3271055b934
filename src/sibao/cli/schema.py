"""Every JSON object that ``--json`` prints, as pydantic models. ``sibao.cli.reference`` makes docs/json.md of them."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from sibao.cli._schema_check import CheckOut
from sibao.cli._schema_export import ExportOut, QuantizeOut
from sibao.cli._schema_fit import FitOut
from sibao.workflows._schema_base import Failure, Head, Json, Score
from sibao.workflows._schema_boards import CompareOut, LeaderboardOut
from sibao.workflows._schema_choose import ChooseImportOut, ChooseListOut, ChooseOut
from sibao.workflows._schema_evaluate import EvaluateOut, PreviewOut, ScorecardOut, SuitesOut, SuitesRunOut
from sibao.workflows._schema_records import Amount, BadRow, Duplicates, ListedRun, Run
from sibao.workflows._schema_tasks import AnswerOut, DescribeOut, GenerateOut, SeveralOut, SummarizeOut, TranslateOut


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


class ServeOut(Head):
    """`serve`, once it listens; `model` is the default one."""

    address: str = Field(description="Where it listens.")
    models: list[str] = Field(description="What is served, the default one first.")


class DemoOut(Head):
    """`demo`; beside the head it holds what each step of the demonstration gave."""

    model_config = ConfigDict(extra="allow")


class FailureOut(Head):
    """Any command that failed, with exit code 1 (failure) or 2 (bad input); `model` is null."""

    error: Failure = Field(description="What went wrong.")


OBJECTS: tuple[type[Head], ...] = (
    GenerateOut, TranslateOut, AnswerOut, SummarizeOut, DescribeOut, SeveralOut, TrainOut, EvaluateOut,
    SuitesRunOut, PreviewOut, SuitesOut, ScorecardOut, CompareOut,
    ChooseOut, ChooseListOut, ChooseImportOut, LeaderboardOut, RunsOut, RunOut, DeletedOut, DataOut, TokenizerOut, TokensOut,
    CheckOut, FitOut, DoctorOut, ExportOut, QuantizeOut, ServeOut, DemoOut, FailureOut,
)  # fmt: skip
"""What can stand on stdout, in the order of the document."""
