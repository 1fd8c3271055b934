"""Minutes of many clients on one server, of whom some go away in the middle: nothing lost, nothing crossed, no growth.

    python bench/serve_soak.py [--minutes 10] [--clients 64] [--seed 0]

A real `sibao serve` with `mini`. Each client asks one thing after another, greedily, from a list whose answers were computed
before by the engine alone; one request in ten is given up at a random moment. A 429 is asked again after the time it
names. At the end every answer that was waited for must be the one expected, nothing may run, and the server's memory
at the end may be at most 1.05 times that after a fifth of the time. Exit 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import time
import urllib.request
from collections import Counter
from typing import Any

from engines.shapes import PLACE, SHAPES
from serving.clients import complete
from serving.servers import KINDS, running
from soak import memory

from sibao.core.types import GenerateOptions
from sibao.providers.load import load

LETTERS = "abcdefghijklmnopqrstuvwxyz"
GROWTH = 1.05


def questions(count: int, seed: int) -> list[tuple[str, int]]:
    """(prompt, new tokens), some with a long beginning in common."""
    draw = random.Random(seed)
    shared = " ".join("".join(draw.choices(LETTERS, k=4)) for _ in range(30))
    texts = [
        " ".join("".join(draw.choices(LETTERS, k=draw.randint(2, 6))) for _ in range(draw.randint(1, 40)))
        for _ in range(count)
    ]
    return [(f"{shared} {text}" if draw.random() < 0.4 else text, draw.choice((1, 8, 24, 48))) for text in texts]


def expected(asked: list[tuple[str, int]]) -> list[str]:
    """What the engine alone says."""
    model = load("mini", precision="fp32", threads=2)
    return [model.generate([prompt], GenerateOptions(max_tokens=new))[0].text for prompt, new in asked]


async def client(
    port: int, asked: list[tuple[str, int]], wanted: list[str], end: float, seed: int, ended: Counter[str]
) -> None:
    """One client until the time is over."""
    draw = random.Random(seed)
    while time.monotonic() < end:
        number = draw.randrange(len(asked))
        prompt, new = asked[number]
        call = asyncio.create_task(complete(port, "it", prompt, new))
        try:
            if draw.random() < 0.1:
                done, _ = await asyncio.wait({call}, timeout=draw.random())
                if not done:
                    call.cancel()
                    await asyncio.wait({call})
                    ended["gone"] += 1
                    continue
            reply = await call
            ended["right" if reply.text == wanted[number] else "DIFFERENT"] += 1
        except RuntimeError as error:
            if " 429 " not in str(error):
                ended["LOST"] += 1
                print(error, file=sys.stderr)
                continue
            ended["asked again"] += 1
            await asyncio.sleep(1)
        except (OSError, TimeoutError) as error:
            ended["LOST"] += 1
            print(repr(error), file=sys.stderr)


async def watch(process: int, begun: float, minutes: float, sizes: dict[float, int]) -> None:
    """Memory, twenty times."""
    for part in range(1, 21):
        await asyncio.sleep(max(0.0, begun + 3 * minutes * part - time.monotonic()))
        sizes[part / 20] = memory(process)


def gauge(port: int, name: str) -> float:
    """A figure of ``/metrics``."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return float(re.findall(rf"^{name} (\S+)", answer.read().decode(), flags=re.M)[0])


async def soak(
    port: int, process: int, given: argparse.Namespace, asked: list[tuple[str, int]], wanted: list[str]
) -> dict[str, Any]:
    """All clients at once."""
    ended, sizes, begun = Counter[str](), dict[float, int](), time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(watch(process, begun, given.minutes, sizes))
        for number in range(given.clients):
            end = begun + 60 * given.minutes
            group.create_task(client(port, asked, wanted, end, given.seed + number, ended))
    await asyncio.sleep(1)
    return {"ended": dict(ended), "memory": {f"{60 * part * given.minutes:.0f} s": size >> 20 for part, size in sizes.items()},
            "growth": round(sizes[1.0] / sizes[0.2], 3), "running": gauge(port, "sibao_requests_running") - 1}  # fmt: skip


def main() -> None:
    """Run and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    asked = questions(400, given.seed)
    wanted = expected(asked)
    log = PLACE / "log" / "serve-soak.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    kind = next(kind for kind in KINDS if kind.name == "sibao-fp32")
    with running(kind, SHAPES["mini"], 2, log) as (port, _, process):
        told = asyncio.run(soak(port, process, given, asked, wanted))
    print(json.dumps(told))
    sys.exit(
        bool(told["ended"].get("DIFFERENT") or told["ended"].get("LOST") or told["running"] or told["growth"] > GROWTH)
    )


if __name__ == "__main__":
    main()
