"""The flags of ``sibao evaluate`` for a judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from sibao.cli._evaluate_flags import SuiteFlags
from sibao.cli._flags import Tongue
from sibao.core.errors import BadInput

if TYPE_CHECKING:
    from sibao.workflows._judging import JudgeAsk


@dataclass(frozen=True)
class EvaluateFlags(SuiteFlags):
    """All flags of evaluate that are not its own arguments: those of suites, and who judges the answers of a task."""

    judge: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Another model reads each answer; with --compare, both in both orders."),
    ] = None
    rubric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What it looks for: faithfulness, helpfulness, a TOML or JSON file."),
    ] = None
    judge_language: Annotated[
        Tongue | None, typer.Option(help="Language the judge is asked in (default: of most answers).")
    ] = None
    judge_repeats: Annotated[int | None, typer.Option(min=1, help="Verdicts on each answer (default: 1).")] = None
    labels: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Labelled answers: how far the judge can be believed; repeatable."),
    ] = None

    def judging(self) -> JudgeAsk | None:
        """How answers are judged; None where nobody does.

        Raises:
            BadInput: a judge of a suite, or flags of a judge without one.
        """
        rest = {
            "--rubric": self.rubric, "--judge-language": self.judge_language, "--judge-repeats": self.judge_repeats,
            "--labels": self.labels,
        }  # fmt: skip
        given = [name for name, value in rest.items() if value is not None]
        if self.judge is None:
            if given:
                raise BadInput(f"got {given[0]} without a judge", hint="add --judge MODEL")
            return None
        if self.suite:
            raise BadInput("a judge reads the answers of a task, suites score their own", hint="use --task with --data")
        from sibao.workflows._judging import JudgeAsk

        return JudgeAsk(
            self.judge, self.rubric or "", self.judge_language, self.judge_repeats or 1, tuple(self.labels or ())
        )
