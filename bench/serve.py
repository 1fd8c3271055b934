"""`sibao serve` beside other servers: the same weights, prompts, threads and clients; and beside its own engine.

    sh scripts/peers.sh transformers llama
    python bench/serve.py [--only SHAPE[/KIND]] [--quick] [--write]

Each client streams one completion after another, 1, 8 or 32 of them at once; every prompt is another, so that nothing read
earlier helps. Sibao's texts are those of its engine alone before a time counts. The last columns are what the server
adds to a token: the time of the same prompts through `bench/serving/direct.py`, which calls the engine, taken from the
time through HTTP: the middle ones of three, taken in turns. Raw samples go to build/bench/serve.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from engines.files import NotRun
from engines.plan import named
from engines.shapes import PLACE, ROOT, SHAPES, Shape, folder_of
from pages import put
from serving.clients import Reply, load
from serving.servers import KINDS, Kind, running
from serving.table import table

from engine import machine, stored

PAGE, RAW = ROOT / "docs" / "performance.md", PLACE / "serve.json"
CLIENTS = (1, 8, 32)
ROUNDS = {"qwen3": {1: 2, 8: 2, 32: 1}, "mini": {1: 6, 8: 4, 32: 3}}
"""Prompts of each client. The larger model's take minutes."""
NEW = 64
PAIRS = 3
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def prompts(shape: Shape, clients: int, count: int) -> list[str]:
    """Texts of about a hundred tokens, each another, the same for every server."""
    draw = random.Random(f"{shape.name}/{clients}")
    return [" ".join("".join(draw.choices(LETTERS, k=draw.randint(2, 7))) for _ in range(30)) for _ in range(count)]


def works(shape: Shape, clients: tuple[int, ...], new: int) -> list[tuple[list[str], int, int]]:
    """(prompts, new tokens, clients) of each line."""
    return [(prompts(shape, n, n * ROUNDS[shape.name][n]), new, n) for n in clients]


def served(kind: Kind, shape: Shape, asked: list[tuple[list[str], int, int]], threads: int) -> dict[str, Any]:
    """Figures of one server."""
    found: dict[str, Any] = {}
    log = PLACE / "log" / f"serve-{kind.name}-{shape.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with running(kind, shape, threads, log) as (port, model, _):
        asyncio.run(load(port, model, prompts(shape, 0, 2), 4, 1))
        for texts, new, clients in asked:
            seconds, replies = asyncio.run(load(port, model, texts, new, clients))
            found[str(clients)] = figures(seconds, replies)
            print(
                f"  {kind.title}, {clients} clients: {found[str(clients)]['rate']:.1f} tokens/s",
                file=sys.stderr,
                flush=True,
            )
    return found


def figures(seconds: float, replies: list[Reply]) -> dict[str, Any]:
    """Throughput, and waits for the first token."""
    first = sorted(reply.first for reply in replies)
    return {
        "seconds": seconds, "tokens": sum(reply.tokens for reply in replies),
        "rate": sum(reply.tokens for reply in replies) / seconds, "p50": statistics.median(first),
        "p99": first[min(len(first) - 1, int(0.99 * len(first)))], "texts": [reply.text for reply in replies],
    }  # fmt: skip


def direct(shape: Shape, precision: str, asked: list[tuple[list[str], int, int]], threads: int) -> dict[str, float]:
    """Seconds of the engine alone, by clients."""
    words = [
        sys.executable,
        str(Path(__file__).parent / "serving" / "direct.py"),
        str(folder_of(shape)),
        precision,
        str(threads),
    ]
    chosen = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(words, input=json.dumps(asked), capture_output=True, text=True, env=chosen, check=False)
    if done.returncode:
        raise NotRun((done.stderr.strip().splitlines() or ["no message"])[-1])
    return {str(one[2]): seconds for one, seconds in zip(asked, json.loads(done.stdout), strict=True)}


def paired(kind: Kind, shape: Shape, asked: list[tuple[list[str], int, int]], threads: int, pairs: int) -> Any:
    """The server and the engine alone in turns, so that a machine's slow minutes meet both; the middle ones are kept."""
    alone, over = [], []
    for _ in range(pairs):
        alone.append(direct(shape, kind.name.partition("-")[2], asked, threads))
        over.append(served(kind, shape, asked, threads))
    middle = {n: sorted((one[n] for one in over), key=lambda one: one["seconds"])[pairs // 2] for n in over[0]}
    return {"clients": middle, "direct": {n: statistics.median(one[n] for one in alone) for n in alone[0]}}


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", default=[], metavar="SHAPE[/KIND]", help="may be given again; * is any"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one client, a few tokens: shows that it works, no figures"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="docs/performance.md, from this run and what is kept")
    given = parser.parse_args()
    facts = {"run": datetime.now().strftime("%Y-%m-%d %H:%M"), "machine": machine(), "threads": given.threads}
    results: dict[str, Any] = {} if given.quick else stored(RAW)
    for name in ROUNDS:
        asked = works(SHAPES[name], CLIENTS[:1] if given.quick else CLIENTS, 8 if given.quick else NEW)
        for kind in [kind for kind in KINDS if named(given.only, f"{name}/{kind.name}")]:
            print(f"{name}/{kind.name}", file=sys.stderr, flush=True)
            try:
                if kind.peer == "sibao":
                    cell = paired(kind, SHAPES[name], asked, given.threads, 1 if given.quick else PAIRS)
                else:
                    cell = {"clients": served(kind, SHAPES[name], asked, given.threads)}
            except (NotRun, RuntimeError) as why:
                cell = {"not_run": str(NotRun(str(why)))}
            results[f"{name}/{kind.name}"] = {**facts, **cell}
            if not given.quick:
                RAW.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print("\n".join(table(results, list(ROUNDS), NEW)))
    if given.write and not given.quick:
        put(PAGE, "serve", table(results, list(ROUNDS), NEW))


if __name__ == "__main__":
    main()
