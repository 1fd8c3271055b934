"""What ``evaluate`` and ``scorecard`` print with ``--json``."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sibao.workflows._schema_base import Head, Json, Score


class Speed(Json):
    """What an evaluation took."""

    seconds: float = Field(description="Wall time.")
    prompt_tokens: int = Field(description="Tokens read.")
    completion_tokens: int = Field(description="Tokens written.")
    tokens_per_second: float = Field(description="Tokens for a second of wall time.")
    peak_memory_bytes: int = Field(description="Most memory held at once.")
    joules: float = Field(description="Energy used.")
    energy: str = Field(description="`measured` or `estimated`.")
    kept: int = Field(description="Answers found in the store, which took nothing.")
    cost: float | None = Field(
        description="Money that the model's answers cost; null where nobody knows, or nothing is paid."
    )
    currency: str = Field(description="Of the cost; empty without one.")
    stopped: bool = Field(description="Whether `--max-cost` left rows unasked: they are missing.")


class Comparison(Json):
    """A model against another on the same rows, by a paired test."""

    difference: float | None = Field(description="The model's score minus the other's.")
    low: float | None = Field(description="Lower end of the difference's interval.")
    high: float | None = Field(description="Upper end.")
    level: float = Field(description="Confidence of the interval.")
    p_value: float | None = Field(
        description="How likely so large a difference is by luck alone, by Holm over the table."
    )
    verdict: str = Field(description="`better`, `worse`, `more`, `less` or `not distinguishable`.")
    test: str = Field(description="The test.")
    n: int = Field(description="Rows.")


class Evaluation(Json):
    """One evaluation: of a task, or of a suite."""

    run: str = Field(description="Id of the run.")
    kind: str = Field(description="`evaluate`.")
    status: str = Field(description="`done`.")
    task: str = Field(description="The task; or the suite, with the perturbation behind a plus sign.")
    scores: list[Score] = Field(description="The model's scores.")
    speed: Speed = Field(description="What it took.")
    baseline: str = Field(description="The model of `--compare`; empty without one.")
    baseline_scores: list[Score] = Field(description="Its scores.")
    comparison: dict[str, Comparison] = Field(description="The two compared, by value.")
    explained: dict[str, Any] = Field(description="What `--explain-score` found; empty without it.")


class EvaluateOut(Head, Evaluation):
    """`evaluate --task`."""


class SuiteRun(Evaluation):
    """One suite's run in `evaluate --suite`."""

    model: str = Field(description="The model.")


class SuitesRunOut(Head):
    """`evaluate --suite`."""

    results: list[SuiteRun] = Field(description="A run for each suite, and for each perturbation of it.")


class SuitePreview(Json):
    """What a suite, or a task on the user's rows, would cost."""

    suite: str = Field(description="The suite, or the task.")
    rows: int = Field(description="Rows in all.")
    pilot: int = Field(description="Rows asked already; their answers are kept.")
    low: float = Field(description="Lower end of the cost of all rows.")
    expected: float = Field(description="Expected cost.")
    high: float = Field(description="Upper end.")
    most: float = Field(description="If every answer were as long as it may be.")
    currency: str = Field(description="Of the price.")
    prompt_tokens: int = Field(description="Tokens expected to be read.")
    completion_tokens: int = Field(description="Tokens expected to be written.")
    shows: float = Field(
        description="The smallest difference of two models' rates that so many rows show 4 times in 5."
    )


class PreviewOut(Head):
    """`evaluate --preview`."""

    preview: list[SuitePreview] = Field(description="One for each suite, or one for the task.")


class ListedSuite(Json):
    """One suite."""

    name: str = Field(description="What `--suite` takes.")
    area: str = Field(description="language, accuracy, translation, qa, summarization, bias or safety.")
    languages: list[str] = Field(description="Of its rows.")
    about: dict[str, str] = Field(description="What it is, in both languages.")
    license: str = Field(description="Of the data.")
    source: str = Field(description="Where it was published.")
    folder: str = Field(description="Folder that its files are looked for in.")
    files: list[str] = Field(description="Names of the files; the first is scored.")
    shots: int = Field(description="Worked examples in published figures.")
    headline: str = Field(description="The value that stands for the suite.")
    variants: list[str] = Field(description="Other choices of its rows, named behind a colon.")
    ran_on_real_data: bool = Field(description="False: only hand-made rows of the published form were at hand.")


class SuitesOut(Head):
    """`evaluate --list`."""

    suites: list[ListedSuite] = Field(description="All suites.")


class CardCell(Json):
    """One figure or fact of a scorecard."""

    section: str = Field(description="Section of the card.")
    name: str = Field(description="The figure.")
    value: float | str | None = Field(description="Its value; words for a fact.")
    unit: str = Field(description="Its unit; empty for a share or a score.")
    low: float | None = Field(description="Lower end of its interval.")
    high: float | None = Field(description="Upper end.")
    level: float = Field(description="Confidence of the interval.")
    n: int = Field(description="Rows or samples.")
    missing: int = Field(description="Rows that were not answered.")
    chance: float | None = Field(description="What guessing gives.")
    ideal: float | None = Field(description="The best value, where neither more nor less is better.")
    better: str = Field(description="`higher`, `lower`, or empty.")
    kind: str = Field(description="`measured`, `estimated` or `stated`.")
    source: str = Field(description="Where it comes from.")
    date: str = Field(description="When.")
    signature: str = Field(description="How it was made.")
    note: dict[str, str] = Field(description="A warning, in both languages.")
    leading: bool = Field(description="It stands for its suite.")
    at_chance: bool = Field(description="Guessing would do as well.")


class ScorecardOut(Head):
    """`scorecard`."""

    precision: str = Field(description="Of the weights.")
    machine: str = Field(description="Where speed was measured.")
    date: str = Field(description="When the card was made.")
    cells: list[CardCell] = Field(description="Everything known, by section.")
