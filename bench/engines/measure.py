"""Runs the works: starts a job's engines, checks Sibao's answers, then lets all take turns, so that noise meets each alike."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from engines import quiet
from engines.client import Client
from engines.files import NotRun, prepared, python_of
from engines.plan import GUESSING, Job, Variant
from engines.shapes import vocabulary
from engines.works import Draws, Scale, Work

TOLERANCE = {"fp32": 1e-3}
COARSE = 0.1
"""How far behind the likeliest a chosen token's score may be (in standard deviations of the scores) where rounding made the
difference: in fp32, and in coarser numbers, whose steps and whole texts round differently."""

Cell = dict[str, Any]


@dataclass
class Engine:
    """A variant at work; ``fault`` says why it is not."""

    variant: Variant
    client: Client | None = None
    about: dict[str, Any] = field(default_factory=dict)
    fault: str = ""


def run(job: Job, scale: Scale, threads: int) -> Iterator[tuple[Work, dict[str, Cell]]]:
    """Each work with a cell for each variant, as soon as it is done."""
    with ExitStack() as stack:
        engines = [_start(job, variant, threads, stack) for variant in job.variants]
        vocab = vocabulary(job.shape)
        for work in job.works:
            print(f"{job.shape.name}/{work.name}", file=sys.stderr, flush=True)
            yield work, _cells(work, engines, scale, vocab)


def _start(job: Job, variant: Variant, threads: int, stack: ExitStack) -> Engine:
    """The engine with its model in memory, or the reason."""
    engine = Engine(variant)
    try:
        folder = prepared(job.shape, variant.form)
        engine.client = stack.enter_context(Client(variant.peer, python_of(variant.peer), threads))
        engine.about = engine.client.ask("load", folder=str(folder), threads=threads, **variant.settings)
    except NotRun as why:
        engine.fault = str(why)
    return engine


def _cells(work: Work, engines: list[Engine], scale: Scale, vocab: int) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    said: dict[str, list[Any]] = {}
    for engine in engines:
        name = engine.variant.name
        cells[name] = {"peer": engine.variant.peer, "weights": engine.variant.weights, **engine.about, "samples": []}
        try:
            if engine.client is None or engine.fault:
                raise NotRun(engine.fault)
            answer = work.warm(engine.client, scale, Draws(vocab, seed=1))
            cells[name]["note"] = answer.get("note", "")
            said[name] = [one for row in answer.get("tokens", []) for one in row] or answer.get(
                "choices", answer.get("texts")
            )
            cells[name]["check"] = _check(work, engine, engine.client, scale, vocab)
        except NotRun as why:
            cells[name]["not_run"] = str(why)
    compare(engines, cells, said)
    draws = {engine.variant.name: Draws(vocab) for engine in engines}
    for _ in range(scale.samples):
        for engine in engines:
            name = engine.variant.name
            if engine.client is not None and "not_run" not in cells[name]:
                _add(cells[name], work, engine.client, draws[name], scale)
    for name, cell in cells.items():
        if "not_run" not in cell:
            cell["median"] = statistics.median(sample["value"] for sample in cell["samples"])
        print("  ", _line(name, cell), file=sys.stderr, flush=True)
    return cells


def _check(work: Work, engine: Engine, client: Client, scale: Scale, vocab: int) -> Cell:
    """Sibao's own check, on other prompts than those that are timed.

    Raises:
        NotRun: it failed: a wrong answer is not worth a time.
    """
    if engine.variant.peer != "sibao" or work.op == "task":
        return {}
    check = client.ask(f"check_{work.op}", **work.check(scale, Draws(vocab, seed=2)))
    allowed = TOLERANCE.get(engine.variant.weights, COARSE)
    if check["different"] and (work.op != "generate" or check["gap"] > allowed):
        raise NotRun(f"{check['different']} of {check['of']} are not those of the plain path, gap {check['gap']:.2g}")
    return check


def compare(engines: list[Engine], cells: dict[str, Cell], said: dict[str, list[Any]]) -> None:
    """How much of what each engine said to the same inputs a reference said too; guesses must change nothing at all."""
    names = {engine.variant.peer: engine.variant.name for engine in engines if engine.variant.name in said}
    reference = names.get("transformers") or names.get("harness")
    for engine in engines:
        name = engine.variant.name
        guessing = engine.variant.label == GUESSING
        beside = name.removesuffix(f" {GUESSING}") if guessing else reference
        if name not in said or beside not in said or beside == name:
            continue
        same = sum(a == b for a, b in zip(said[name], said[beside], strict=False))
        cells[name]["same"] = {"as": beside, "count": same, "of": len(said[beside])}
        if guessing and said[name] != said[beside]:
            cells[name].setdefault("not_run", f"{same} of {len(said[beside])} texts are those without {GUESSING}")


def _add(cell: Cell, work: Work, client: Client, draws: Draws, scale: Scale) -> None:
    """One sample more."""
    try:
        pid = client.process.pid
        took = quiet.sample(lambda: work.run(client, scale, draws), pid, scale.tries, scale.patience)
        cell["samples"].append(asdict(took))
    except (NotRun, FileNotFoundError) as why:  # no such process any more
        cell["not_run"] = str(why) if isinstance(why, NotRun) else "the process ended"


def _line(name: str, cell: Cell) -> str:
    """A cell for the terminal."""
    if "not_run" in cell:
        return f"{name:<26}not run: {cell['not_run']}"
    values = " ".join(f"{one['value']:.4g}" for one in cell["samples"])
    noise = max(one["noise"] for one in cell["samples"])
    return f"{name:<26}{cell['median']:10.4g}   ({values}; others {noise:.0%}{_same(cell)})"


def _same(cell: Cell) -> str:
    """How far the answers agree with the reference's."""
    same = cell.get("same")
    return f"; {same['count']} of {same['of']} answers as {same['as']}" if same else ""
