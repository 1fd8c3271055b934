"""Sibao's engine beside its peers: the same weights, inputs and threads, turn by turn in one run.

    make bench-peers                    install the peers (once), run everything
    python bench/engine.py [--only SHAPE[/WORK]] [--peers a,b] [--quick] [--write]

Each engine is a process in an environment of its own; only the work is timed, one engine at a time, when the machine is
quiet. Sibao's tokens are held against the plain path first. Figures are medians; raw samples go to build/bench/engine.json.
A peer that is missing or fails is a cell that says why.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from engines import limit, measure
from engines.plan import chosen
from engines.shapes import PLACE, ROOT
from engines.table import COLUMNS, Results, table
from engines.works import QUICK, Scale
from pages import put

PAGE = ROOT / "docs" / "performance.md"
RAW = PLACE / "engine.json"
LOAD = 0.3


def machine() -> str:
    """Processor, cores, memory and system; no name of the host."""
    from sibao.core.system import machine as facts

    known = facts()
    flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text(encoding="utf-8")))
    wide = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimd") if name in flags]
    memory = known.memory_bytes / 2**30
    return f"{known.cpu} ({', '.join(wide)}), {known.cores} cores, {memory:.0f} GB, {known.system.split()[0]}"


def stored(file: Path) -> Results:
    """What earlier runs found."""
    found: Results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def run(given: argparse.Namespace) -> Results:
    """Measure, keep what is done after each work, and give all of this run."""
    scale = QUICK if given.quick else Scale()
    scale = replace(scale, samples=given.samples or scale.samples)
    limits = limit.measure(given.threads, scale.patience)
    facts: dict[str, Any] = {
        "run": datetime.now().strftime("%Y-%m-%d %H:%M"), "machine": machine(), "threads": given.threads,
        "samples": scale.samples, "limits": asdict(limits),
    }  # fmt: skip
    found: Results = {}
    file = PLACE / "quick.json" if given.quick else RAW
    for job in chosen(given.only, given.peers):
        for work, cells in measure.run(job, scale, given.threads):
            found[f"{job.shape.name}/{work.name}"] = {**facts, "cells": cells}
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(stored(file) | found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return found


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", default=[], metavar="SHAPE[/WORK]", help="may be given again; * is any"
    )
    parser.add_argument("--peers", type=lambda text: text.split(","), default=[], help=f"of {', '.join(COLUMNS)}")
    parser.add_argument("--quick", action="store_true", help="a few tokens, once: shows that it works, no figures")
    parser.add_argument("--samples", type=int, help="of which medians are taken (3)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="docs/performance.md, from this run and what is kept")
    given = parser.parse_args(words)
    if given.quick and given.write:
        parser.error("--quick measures nothing, so there is nothing to --write")
    for name in given.peers:
        if name not in COLUMNS:
            parser.error(f"no peer is called {name}; there are {', '.join(COLUMNS)}")
    if not chosen(given.only, given.peers):
        parser.error(f"nothing is called {' or '.join(given.only)}")
    return given


def main() -> None:
    """Measure, print, and write the page."""
    given = arguments()
    if not given.quick and os.getloadavg()[0] > LOAD:
        print(f"the machine is not idle (load {os.getloadavg()[0]:.1f}); samples wait for quiet", file=sys.stderr)
    found = run(given)
    print("\n".join(table(found)))
    if given.quick:
        print("Quick: a few tokens, once. The figures above mean nothing.")
    if given.write:
        put(PAGE, "engine", table(stored(RAW)))


if __name__ == "__main__":
    main()
