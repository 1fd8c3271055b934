"""The flags of ``sibao evaluate`` for suites and for how a model is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sibao.cli._flags import Precision
from sibao.core.errors import BadInput

if TYPE_CHECKING:
    from sibao.workflows._models import Opening
    from sibao.workflows.evaluate_suites import SuiteAsk

Chat = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class SuiteFlags:
    """Which suites, how they are asked, and what the model may cost."""

    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", "-s", metavar="NAME", help="A published benchmark, or a task.yaml; repeatable."),
    ] = None
    path: Annotated[str | None, typer.Option(metavar="DIR", help="Folder with the published files of the suites.")] = (
        None
    )
    shots: Annotated[
        int | None, typer.Option(min=0, help="Worked examples before each row (default: as published).")
    ] = None
    chat: Annotated[
        Chat, typer.Option("--chat-template", help="Ask through the model's chat template; auto: for written answers.")
    ] = "auto"
    explain: Annotated[
        bool, typer.Option("--explain-score", help="Every convention side by side, and what happens at the border.")
    ] = False
    perturb: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Also with typos, options or paraphrase changed; repeatable."),
    ] = None
    run_code: Annotated[bool, typer.Option("--run-code", help="Run programs that the model writes, in a sandbox.")] = (
        False
    )
    precision: Annotated[Precision, typer.Option(help="Number format of the weights in memory.")] = "auto"
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes to share the rows; the same bits whatever their number.")
    ] = None
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Share the rows over a Ray cluster; local starts one.")
    ] = None
    max_cost: Annotated[
        float | None, typer.Option(min=0.0, help="Stop before more is spent, by all models together.")
    ] = None
    price: Annotated[
        str | None, typer.Option(metavar="IN,OUT", help="MODEL's price of a million tokens read and written.")
    ] = None
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask again what was answered before.")] = False

    def refuse_for_suites(self, of_tasks: dict[str, object]) -> None:
        """Flags of tasks say nothing of a suite.

        Raises:
            BadInput: one was given.
        """
        given = [name for name, value in of_tasks.items() if value is not None]
        if given:
            raise BadInput(
                f"{given[0]} is for --task; a suite brings its own rows and lengths", hint=f"leave out {given[0]}"
            )

    def refuse_for_tasks(self) -> None:
        """Flags of suites say nothing of a task's rows.

        Raises:
            BadInput: one was given.
        """
        rest = {
            "--path": self.path, "--shots": self.shots, "--explain-score": self.explain or None, "--perturb": self.perturb,
            "--run-code": self.run_code or None, "--chat-template": None if self.chat == "auto" else self.chat,
        }  # fmt: skip
        given = [name for name, value in rest.items() if value is not None]
        if given:
            raise BadInput(
                f"{given[0]} is for --suite, and says nothing of a task's own rows", hint=f"leave out {given[0]}"
            )

    def asked(self, limit: int | None, batch: int) -> SuiteAsk:
        """How the suites are asked; more than a task's rows at once, because they share their beginnings."""
        from sibao.workflows.evaluate_suites import SuiteAsk

        perturb = tuple(self.perturb or ())
        return SuiteAsk(self.path, self.shots, self.chat, limit, max(batch, 64), self.explain, perturb, self.run_code)

    def opening(self) -> Opening:
        """How the model is opened.

        Raises:
            BadInput: a price that is none.
        """
        from sibao.evaluation.budget import Purse
        from sibao.workflows._models import Opening, read_price

        price = read_price(self.price) if self.price else None
        purse = None if self.max_cost is None else Purse(self.max_cost)
        return Opening(self.precision, self.workers, self.ray, cache=not self.no_cache, price=price, purse=purse)
