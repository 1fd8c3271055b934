"""The flags of ``sibao choose``, and what they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from sibao.cli._flags import Precision, Tongue
from sibao.core.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from sibao.choosing.limits import Limits
    from sibao.workflows._choose_ask import Ask
    from sibao.workflows._choose_cells import Candidate

Names = list[str] | None
MODALITIES = ("text", "image", "audio", "video")


@dataclass(frozen=True)
class ChooseFlags:
    """Candidates, rows, limits and how the race is run."""

    need: Annotated[str | None, typer.Option(metavar="TEXT", help="What is wanted, in your words: names the task.")] = (
        None
    )
    data: Annotated[
        Names,
        typer.Option("--data", metavar="FILE", help="Rows with the answers wanted; repeatable. Without it: advice."),
    ] = None
    task: Annotated[
        str | None, typer.Option(help="generate, translate, answer, summarize or describe (default: told by the rows).")
    ] = None
    model: Annotated[
        Names,
        typer.Option(
            "--model", "-m", metavar="NAME", help="A candidate; repeatable (default: the catalogue's that are here)."
        ),
    ] = None
    precision: Annotated[
        Names,
        typer.Option(
            metavar="auto|fp32|...", help="Number format of the weights: one for all, or one for each --model in order."
        ),
    ] = None
    metric: Annotated[str | None, typer.Option(help="What is raced on, row by row (default: by task).")] = None
    to: Annotated[Tongue | None, typer.Option(help="Language to translate into.")] = None
    max_cost: Annotated[
        float | None, typer.Option(min=0.0, help="Spend at most so much on the race, all models together.")
    ] = None
    budget: Annotated[
        float | None, typer.Option(min=0.0, help="Limit: what a thousand requests like these may cost.")
    ] = None
    max_latency: Annotated[
        float | None, typer.Option(min=0.0, metavar="SECONDS", help="Limit: the median wait for one request, measured.")
    ] = None
    max_memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Limit: memory on this machine, such as 4GB.")
    ] = None
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Limit: parameters (500M, 8B) or bytes on disk (2GB).")
    ] = None
    licence: Annotated[
        Names, typer.Option(metavar="NAME", help="Limit: an SPDX name, or commercial; repeatable, any of them will do.")
    ] = None
    offline: Annotated[bool, typer.Option("--offline", help="Limit: answers without a network.")] = False
    language: Annotated[
        Names, typer.Option(metavar="zh|en", help="Limit: a language that the model must know; repeatable.")
    ] = None
    modality: Annotated[
        Names,
        typer.Option(metavar="text|image|...", help="Limit: what the model must take in; repeatable."),
    ] = None
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Let a limit pass where nobody says (a licence, say).")
    ] = False
    currency: Annotated[str, typer.Option(help="Of --budget, --max-cost and the cost column.")] = "USD"
    price: Annotated[
        Names, typer.Option(metavar="MODEL=IN,OUT", help="Price of a million tokens read and written; repeatable.")
    ] = None
    weight: Annotated[
        Names,
        typer.Option(metavar="NAME=NUMBER", help="What decides among equals: cost, latency, memory, ...; repeatable."),
    ] = None
    delta: Annotated[float, typer.Option(help="Probability of any wrong statement of the race.")] = 0.05
    limit: Annotated[int | None, typer.Option(min=1, help="Use only so many rows.")] = None
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Most new tokens of one answer.")] = None
    batch: Annotated[int, typer.Option(min=1, help="Rows computed at once.")] = 16
    seed: Annotated[int, typer.Option(help="Orders the rows.")] = 0
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask again what was answered before.")] = False

    def ask(self) -> Ask:
        """What the workflow takes.

        Raises:
            BadInput: a size, weight, price or number of precisions that cannot be read.
        """
        from sibao.choosing.pick import read_weights
        from sibao.choosing.race_result import Plan
        from sibao.workflows._choose_ask import Ask

        return Ask(
            candidates=self._candidates(), data=tuple(self.data or ()), need=self.need or "", task=self.task,
            metric=self.metric, to=self.to, limits=self._limits(), weights=read_weights(self.weight or []),
            plan=Plan(delta=self.delta, max_cost=self.max_cost, seed=self.seed), limit=self.limit,
            max_tokens=self.max_tokens, batch=self.batch, cache=not self.no_cache,
        )  # fmt: skip

    def _limits(self) -> Limits:
        from sibao.choosing.limits import Limits, read_bytes, read_size

        parameters, disk = read_size(self.max_size) if self.max_size else (None, None)
        return Limits(
            budget=self.budget, currency=self.currency, max_latency=self.max_latency,
            max_memory=read_bytes(self.max_memory, "--max-memory") if self.max_memory else None,
            max_parameters=parameters, max_disk=disk, licences=tuple(self.licence or ()), offline=self.offline,
            languages=known_ones("language", self.language, get_args(Tongue)),
            modalities=known_ones("modality", self.modality, MODALITIES), allow_unknown=self.allow_unknown,
        )  # fmt: skip

    def _candidates(self) -> tuple[Candidate, ...]:
        """Each --model with its precision and price."""
        from sibao.workflows._choose_cells import Candidate
        from sibao.workflows._models import read_price

        models, precisions = self.model or [], known_ones("precision", self.precision, get_args(Precision))
        if len(precisions) > 1 and len(precisions) != len(models):
            raise BadInput(
                f"got {len(precisions)} --precision for {len(models)} --model, wanted one for all or one for each",
                hint="--model mini --precision auto --model mini --precision int8",
            )
        chosen = precisions if len(precisions) > 1 else (precisions or ("auto",)) * len(models)
        known = {}
        for text in self.price or []:
            name, equals, numbers = text.rpartition("=")
            if not equals or name not in models:
                raise BadInput(
                    f"got --price {text!r}, wanted one of the models and its price", hint="--price NAME=0.15,0.60"
                )
            known[name] = replace(read_price(numbers), currency=self.currency, source="--price")
        return tuple(Candidate(name, form, known.get(name)) for name, form in zip(models, chosen, strict=True))


def known_ones(kind: str, names: Names, known: Sequence[str]) -> tuple[str, ...]:
    """The names of a repeatable flag.

    Raises:
        UnknownName: one that is not in the list.
    """
    for name in names or ():
        if name not in known:
            raise UnknownName(kind, name, known)
    return tuple(names or ())
