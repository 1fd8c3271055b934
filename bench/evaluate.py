"""`sibao evaluate` beside lm-evaluation-harness: the same weights, YAML tasks, rows and threads, float32 on both sides.

    sh scripts/peers.sh harness
    python bench/evaluate.py [--only SHAPE[/WORK]] [--quick] [--write]

Before the clock runs, the likelihood of every choice must be the harness' within a thousandth and every figure the same. The
harness runs at the fastest of the batch sizes 1, 8 and 16. Engines take turns when the machine is quiet, on other rows each
time. Figures are medians; raw samples go to build/bench/evaluate.json. Start-up is a whole run of one row, from the shell.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from engines import quiet
from engines.asked import NAME, Asked, works
from engines.asked_table import ROWS, line, table
from engines.client import Client
from engines.files import NotRun, python_of
from engines.plan import named
from engines.shapes import PLACE, ROOT, SHAPES, Shape, folder_of
from engines.works import QUICK, Scale
from pages import put

from engine import LOAD, machine, stored

PAGE = ROOT / "docs" / "performance.md"
RAW = PLACE / "evaluate.json"
BATCHES = (1, 8, 16)
AT_ONCE = 64
"""Rows that Sibao is asked at once: the default of `sibao evaluate`."""
PILOT = 100
"""Rows of the pilot are counted from here: none that is timed."""
TOLERANCE = 1e-3


def measure(shape: Shape, only: list[str], scale: Scale, threads: int) -> dict[str, Any]:
    """The cells of each work of a model."""
    found: dict[str, Any] = {}
    rows = ROWS[shape.name] if scale is not QUICK else scale.rows
    chosen = [work for work in works(rows, scale.new) if named(only, f"{shape.name}/{work.name}")]
    with ExitStack() as stack, tempfile.TemporaryDirectory() as place:
        clients: dict[str, Client] = {}
        for work in chosen:
            print(f"{shape.name}/{work.name}", file=sys.stderr, flush=True)
            try:
                clients = clients or {peer: start(peer, shape, threads, stack) for peer in ("sibao", "harness")}
                found[work.name] = cells(work, clients, scale, Path(place))
            except NotRun as why:
                found[work.name] = {"not_run": str(why)}
            print("  ", line(shape, work, found[work.name]), file=sys.stderr, flush=True)
    return found


def start(peer: str, shape: Shape, threads: int, stack: ExitStack) -> Client:
    """A process with the model in memory.

    Raises:
        NotRun: it is not installed, or fails.
    """
    client = stack.enter_context(Client(peer, python_of(peer), threads))
    client.ask("load", folder=str(folder_of(shape)), threads=threads, precision="fp32")
    return client


def cells(work: Asked, clients: dict[str, Client], scale: Scale, place: Path) -> dict[str, Any]:
    """Checked, then timed."""
    few = max(4, work.rows // 4)
    agreement = check(work, clients, few, place)
    rates = {b: rate(work, clients["harness"], few, PILOT + b, b, scale, place) for b in BATCHES}
    best = max(rates, key=lambda batch: rates[batch]["value"])
    samples: dict[str, list[Any]] = {"sibao": [], "harness": []}
    for seed in range(scale.samples):
        for peer, batch in (("sibao", AT_ONCE), ("harness", best)):
            samples[peer].append(rate(work, clients[peer], work.rows, seed, batch, scale, place))
    medians = {peer: statistics.median(one["value"] for one in found) for peer, found in samples.items()}
    return {"agreement": agreement, "batch": best, "pilot": rates, "samples": samples, "medians": medians}


def rate(work: Asked, client: Client, rows: int, seed: int, batch: int, scale: Scale, place: Path) -> dict[str, Any]:
    """Rows a second, while others are quiet."""
    tries = itertools.count(seed, scale.samples)  # a sample that is taken again is taken on other rows

    def run() -> float:
        folder = work.write(place / work.name, rows, next(tries))
        return rows / float(client.ask("evaluate", place=str(folder), name=NAME, batch=batch)["seconds"])

    return asdict(quiet.sample(run, client.process.pid, scale.tries, scale.patience))


def check(work: Asked, clients: dict[str, Client], rows: int, place: Path) -> dict[str, Any]:
    """How far replies and figures agree; also what warms both up.

    Raises:
        NotRun: a likelihood or a figure differs: a wrong answer is not worth a time.
    """
    folder = str(work.write(place / work.name, rows, -1))
    ours, theirs = (
        clients[peer].ask("evaluate", place=folder, name=NAME, batch=batch)
        for peer, batch in (("sibao", AT_ONCE), ("harness", 8))
    )
    found = compared(ours["replies"], theirs["replies"])
    for name, value in theirs["figures"].items():
        if not abs(ours["figures"].get(name, float("nan")) - value) <= 1e-12:
            raise NotRun(f"{name} is {ours['figures'].get(name)}, the harness has {value}")
    if found["gap"] > TOLERANCE:
        raise NotRun(f"a likelihood is {found['gap']:.2g} from the harness'")
    return found


def compared(ours: list[list[Any]], theirs: list[list[Any]]) -> dict[str, Any]:
    """The widest gap between likelihoods, and how many texts are the same to the letter."""
    pairs = [(a, b) for x, y in zip(ours, theirs, strict=True) for a, b in zip(x, y, strict=True)]
    texts = [(a, b) for a, b in pairs if isinstance(b, str)]
    gaps = [abs(a - b) for a, b in pairs if not isinstance(b, str)]
    return {
        "gap": max(gaps, default=0.0),
        "likelihoods": len(gaps),
        "texts": len(texts),
        "same": sum(a == b for a, b in texts),
    }


def startup(runs: int) -> dict[str, Any]:
    """Seconds from the shell to the end of `sibao evaluate mini` on one row: an upper bound of the time to the first row."""
    task = ROOT / "tests" / "data" / "lm_eval" / "tasks" / "passages.yaml"
    words = [sys.executable, "-m", "sibao", "evaluate", "mini", "--suite", str(task), "--limit", "1", "--json"]
    took = []
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"SIBAO_HOME": home, "PYTHONDONTWRITEBYTECODE": ""}
        for _ in range(runs + 1):  # the first one compiles Python's files
            quiet.wait(None, 10.0)
            begun = time.perf_counter()
            done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
            took.append(time.perf_counter() - begun)
            if done.returncode:
                return {"not_run": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return {"seconds": took[1:], "median": statistics.median(took[1:])}


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", default=[], metavar="SHAPE[/WORK]", help="may be given again; * is any"
    )
    parser.add_argument("--quick", action="store_true", help="a few rows, once: shows that it works, no figures")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="docs/performance.md, from this run and what is kept")
    given = parser.parse_args(words)
    if given.quick and given.write:
        parser.error("--quick measures nothing, so there is nothing to --write")
    return given


def main() -> None:
    """Measure, print, and write the page."""
    given = arguments()
    if not given.quick and os.getloadavg()[0] > LOAD:
        print(f"the machine is not idle (load {os.getloadavg()[0]:.1f}); samples wait for quiet", file=sys.stderr)
    scale, file = (QUICK, PLACE / "evaluate.quick.json") if given.quick else (Scale(), RAW)
    facts = {"run": datetime.now().strftime("%Y-%m-%d %H:%M"), "machine": machine(), "threads": given.threads}
    results: dict[str, Any] = stored(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not given.only or "startup" in given.only:
        results["startup"] = {**facts, **startup(1 if given.quick else 5)}
    for name in ROWS:
        for work, found in measure(SHAPES[name], given.only, scale, given.threads).items():
            results[f"{name}/{work}"] = {**facts, **found}
            file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print("\n".join(table(results)))
    if given.quick:
        print("Quick: a few rows, once. The figures above mean nothing.")
    if given.write:
        put(PAGE, "evaluate", table(results))


if __name__ == "__main__":
    main()
