"""``sibao scorecard MODEL``: run what was not run yet, measure the machine's side, and put every figure on one page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sibao.core.api_energy import SOURCE as API_SOURCE
from sibao.core.api_energy import api_energy
from sibao.core.errors import BadInput, UnknownName
from sibao.core.system import machine, peak_memory_bytes
from sibao.evaluation import places
from sibao.evaluation.scorecard import SECTIONS, About, Cell, Kind, Scorecard, cells_of
from sibao.evaluation.suite import Suite
from sibao.evaluation.suite_index import load_suite
from sibao.store.runs import Run, list_runs, scores_of
from sibao.workflows._model_facts import Facts, facts_of
from sibao.workflows._models import Opened, Opening, identity_of, open_model
from sibao.workflows._speed import Figure, Measured, measure_speed
from sibao.workflows.evaluate_suites import SuiteAsk, evaluate_suites, prepare

DEFAULT = (
    "wikitext2", "csl_category", "mmlu", "truthfulqa", "tatoeba", "squad", "cmrc2018", "csl_title", "scitldr",
    "crows_pairs", "winobias", "bbq", "cbbq", "xstest", "safetybench",
)  # fmt: skip
"""A little of everything, in both languages: what a scorecard holds unless suites are named."""


@dataclass(frozen=True)
class CardAsk:
    """What goes into a scorecard. ``suites`` empty: ``DEFAULT``, as far as their files are here. ``fresh``: run again what the
    store has already."""

    suites: tuple[str, ...] = ()
    path: str | None = None
    limit: int | None = 200
    precision: str = "auto"
    fresh: bool = False
    speed: bool = True


def scorecard(model: str, asked: CardAsk | None = None, *, quiet: bool = False) -> Scorecard:
    """All that is known of a model, measured here where it can be.

    Raises:
        UnknownName: a suite. BadInput: a suite whose files are not here, where it was named.
    """
    asked = asked or CardAsk()
    ask, identity = SuiteAsk(path=asked.path, limit=asked.limit), identity_of(model, asked.precision)
    suites = {name: load_suite(name) for name in dict.fromkeys(asked.suites or _at_hand(asked))}
    recipes = {name: prepare(s, ask).recipe(ask, asked.precision, identity) for name, s in suites.items()}
    cells = (
        _machine_side(model, asked) if asked.speed else []
    )  # first: a process' peak of memory would hold the suites'
    missing = [name for name in suites if asked.fresh or _stored(model, recipes[name]) is None]
    if missing:
        evaluate_suites(model, missing, ask, Opening(asked.precision), quiet=quiet)
    for name, suite in suites.items():
        run = _stored(model, recipes[name])
        if run is not None:
            cells += cells_of(
                suite.name, scores_of(run.id), about_suite(suite), run.id, day(run.finished or run.started)
            )
    order = list(SECTIONS)
    cells.sort(key=lambda cell: order.index(cell.section))
    here = machine()
    return Scorecard(model, asked.precision, f"{here.cpu}, {here.cores} cores", day(None), tuple(cells))


def _at_hand(asked: CardAsk) -> list[str]:
    found = []
    for name in DEFAULT:
        try:
            suite = load_suite(name)
            places.find(suite.folder, suite.files, asked.path)
        except (BadInput, UnknownName):
            continue
        found.append(name)
    return found


def _stored(model: str, recipe: dict[str, Any]) -> Run | None:
    """The newest finished run of that recipe: of these weights, rows, precision and way of asking."""
    for run in list_runs("evaluate", model=model, status="done"):
        if all(run.recipe.get(key) == value for key, value in recipe.items()):
            return run
    return None


def about_suite(suite: Suite) -> About:
    """What a suite says of its scores."""
    return About(suite.area, suite.headline, suite.name, dict(suite.caveat))


def _machine_side(model: str, asked: CardAsk) -> list[Cell]:
    """Facts, speed, memory, energy and price."""
    opened = open_model(model, Opening(asked.precision, cache=False))
    try:
        facts = facts_of(model, opened.bare)
        cells = facts_cells(facts)
        local = opened.meter is not None and opened.meter.price.input_per_million == 0
        if hasattr(opened.bare, "stream"):
            cells += _speed(measure_speed(opened), local, facts)
        if local:
            source = "the whole process: Python, PyTorch, weights, cache"
            cells.append(
                Cell(
                    "speed",
                    "peak memory",
                    peak_memory_bytes() / 2**20,
                    "MiB",
                    better="lower",
                    source=source,
                    date=day(None),
                )
            )
        return cells + _price(opened)
    finally:
        opened.close()


def facts_cells(facts: Facts) -> list[Cell]:
    """Facts as cells."""
    return [
        Cell("facts", name, value, source=facts.source, date=day(None), kind="stated")
        for name, value in facts.words().items()
    ]


def _speed(found: Measured, local: bool, facts: Facts) -> list[Cell]:
    how = f"{found.prompt_tokens} tokens read, {found.new_tokens} written; median and range of {found.decode.samples}"

    def cell(name: str, figure: Figure, unit: str, better: str) -> Cell:
        return Cell(
            "speed", name, figure.median, unit, figure.low, figure.high, n=figure.samples, better=better, source=how,
            date=day(None),
        )  # fmt: skip

    cells = [
        cell("prefill", found.prefill, "tokens/s", "higher"),
        cell("decode", found.decode, "tokens/s", "higher"),
        cell("time to first token", found.first_token, "s", "lower"),
    ]
    if local:
        kind: Kind = "measured" if found.energy_kind == "measured" else "estimated"
        return [*cells, Cell(
            "cost", f"energy, {kind}", found.joules_per_token, "J/token", better="lower", kind=kind, source=found.energy_source,
            date=day(None),
        )]  # fmt: skip
    if facts.active is None:
        return cells
    guess = api_energy(1, facts.active, facts.parameters)
    estimate = Cell(
        "cost", "energy, estimated", guess.kwh * 3.6e6, "J/token", better="lower", kind="estimated", source=API_SOURCE,
        date=day(None),
    )  # fmt: skip
    return [*cells, estimate]


def _price(opened: Opened) -> list[Cell]:
    price = opened.meter.price if opened.meter is not None else None
    if price is None:
        return []
    if price.input_per_million == price.output_per_million == 0:
        return [Cell("cost", "price", 0.0, "per token", better="lower", kind="stated", source="runs on this machine")]
    where, day = price.source or "given by the user", price.date
    unit = f"{price.currency} for a million tokens"
    pairs = (("price, read", price.input_per_million), ("price, written", price.output_per_million))
    return [
        Cell("cost", name, value, unit, better="lower", kind="stated", source=where, date=day) for name, value in pairs
    ]


def day(seconds: float | None) -> str:
    """ISO date of a time in seconds since 1970; None is now."""
    now = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return now.strftime("%Y-%m-%d")
