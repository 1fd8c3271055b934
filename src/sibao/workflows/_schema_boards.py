"""The JSON objects of ``sibao compare`` and ``sibao leaderboard``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sibao.workflows._schema_base import Head, Json

Better = Literal["higher", "lower", "neither"]


class ComparedRun(Json):
    """One of the two runs."""

    run: str = Field(description="Its id.")
    model: str = Field(description="The model.")
    started: float = Field(description="Seconds since 1970, UTC.")
    recipe: dict[str, Any] = Field(description="What it was made from.")


class ComparedScore(Json):
    """A run's own score, over all of its rows."""

    name: str = Field(description="The metric.")
    value: float | None = Field(description="Its value.")
    low: float | None = Field(description="Lower end of the interval.")
    high: float | None = Field(description="Upper end of the interval.")
    level: float = Field(description="Confidence of the interval.")
    n: int = Field(description="Rows scored.")
    missing: int = Field(description="Rows that could not be scored.")
    chance: float | None = Field(description="What guessing gives.")
    signature: str = Field(description="How the number was made.")


class ComparedMetric(Json):
    """One metric, second run against first, paired by row."""

    metric: str = Field(description="The metric.")
    better: Better = Field(description="Which way is better.")
    ideal: float | None = Field(description="The best value where neither way is.")
    first: ComparedScore | None = Field(description="The first run's score; null where it has none of that name.")
    second: ComparedScore | None = Field(description="The second run's score.")
    difference: float = Field(description="Second minus first, over the rows that both answered.")
    low: float = Field(description="Lower end of the difference's interval.")
    high: float = Field(description="Upper end.")
    level: float = Field(description="Confidence of the interval, and of the verdict.")
    p_value: float = Field(description="Of the paired test of this metric alone.")
    adjusted_p_value: float = Field(description="The same, by Holm over all metrics here; the verdict follows it.")
    verdict: Literal["better", "worse", "more", "less", "not distinguishable"] = Field(
        description="Of the second run; `more` and `less` where neither way is better."
    )
    test: str = Field(description="The test.")
    n: int = Field(description="Rows that both answered.")
    first_at_chance: bool = Field(description="The first run's interval holds what guessing gives.")
    second_at_chance: bool = Field(description="The second run's does.")
    rows_needed: int | None = Field(
        description="Where not distinguishable: rows that would show a difference as large as this in 80 of 100 tries."
    )
    detectable: float | None = Field(description="The smallest difference that the rows at hand would show as often.")


class ComparedRow(Json):
    """One row after both models."""

    row: int = Field(description="Its number in the data, from 0.")
    state: Literal["lost", "gained", "both wrong", "both right", "same", "missing"] = Field(
        description="From first to second, by the leading metric."
    )
    question: str | None = Field(description="What was asked; null where the data are not at hand.")
    references: list[str] = Field(description="What was wanted.")
    first: str | None = Field(description="The first run's answer.")
    second: str | None = Field(description="The second run's answer.")
    first_value: float | None = Field(description="The first answer's value of the leading metric.")
    second_value: float | None = Field(description="The second answer's.")
    first_missing: str = Field(description="Why the first run has no answer; empty when it has one.")
    second_missing: str = Field(description="The same of the second.")


class CompareOut(Head):
    """`compare`; `model` is the second run's."""

    first: ComparedRun = Field(description="The run that the other is held against.")
    second: ComparedRun = Field(description="The other.")
    suite: str = Field(description="The suite of both; empty for a task.")
    task: str = Field(description="The task of both; empty for a suite.")
    data: str = Field(description="The rows, in words.")
    notes: list[str] = Field(description="What else differs between the runs.")
    metrics: list[ComparedMetric] = Field(description="All metrics that both have.")
    leading: str = Field(description="The metric that rows are sorted by.")
    counts: dict[str, int] = Field(description="Rows in each state.")
    rows: list[ComparedRow] = Field(description="All rows of both runs.")
    written: str | None = Field(description="The report of `--html`.")


class ImportProblem(Json):
    """A cell or row that gave no result."""

    kind: Literal["absent", "unreadable", "malformed"] = Field(
        description="Nothing was claimed; or something that is not one number; or a part of another form."
    )
    where: str = Field(description="The way to it in the file.")
    text: str = Field(description="What stood there.")


class ImportedFile(Json):
    """What became of one file of `--import`."""

    source: str = Field(description="The file.")
    results: int = Field(description="Results kept; they replace those of an earlier import.")
    problems: list[ImportProblem] = Field(description="All that gave no result.")


class BoardRow(Json):
    """One figure in a table."""

    model: str = Field(description="The model.")
    value: float = Field(description="The figure.")
    shown: str = Field(description="What stood in its place where it was published, if that is not the plain number.")
    unit: str = Field(description="`%`, or empty.")
    low: float | None = Field(description="Lower end of the interval; null without one.")
    high: float | None = Field(description="Upper end.")
    level: float | None = Field(description="Its confidence; null for a ± without a meaning.")
    n: int | None = Field(description="Rows; null where not published.")
    missing: int = Field(description="Rows that could not be scored.")
    chance: float | None = Field(description="What guessing gives.")
    rank_best: int | None = Field(description="Best rank that it could truly have; null where nothing says.")
    rank_worst: int | None = Field(description="Worst rank.")
    could_be_first: bool | None = Field(description="Nobody is better beyond doubt; null where nothing says.")
    run: str | None = Field(description="Id of the run; null for published results.")
    date: str = Field(description="When; as published.")
    title: str = Field(description="The paper or page.")
    url: str = Field(description="Its address.")
    note: str = Field(description="What stood around the figure.")
    source: str = Field(description="The run, or the file it was imported from.")
    signature: str = Field(description="How it was made; empty where not stated.")


class BoardTable(Json):
    """Figures that may be compared, the best first."""

    task: str = Field(description="The task or suite.")
    dataset: str = Field(description="The data.")
    subset: str = Field(description="The part of them; empty for all.")
    metric: str = Field(description="The metric.")
    signature: str = Field(description="How all of them were made; empty where not stated.")
    better: Better = Field(description="Which way is better.")
    better_known: bool = Field(description="False where `higher` is only assumed.")
    ideal: float | None = Field(description="The best value where neither way is better.")
    level: float = Field(description="Confidence of all ranges of ranks together.")
    apart: list[str] = Field(description="Why this is a table of its own beside another of the same metric.")
    cautions: list[str] = Field(description="What a reader should know.")
    rows: list[BoardRow] = Field(description="The figures.")


class LeaderboardOut(Head):
    """`leaderboard`; `model` is null."""

    imported: list[ImportedFile] = Field(description="Files of `--import`.")
    forgotten: int = Field(description="Results that `--forget` dropped.")
    written: list[str] = Field(description="Files of `--export` and `--html`.")
    tables: list[BoardTable] = Field(description="All tables of the choice.")
