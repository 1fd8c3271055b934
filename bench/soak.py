"""Minutes of mixed work for the engine: random arrivals, lengths, cancellations, adapters, seeds and forms of answers;
beam searches and texts to be scored among them.

    python bench/soak.py [--minutes 10] [--precision fp32|bf16|int8|int4] [--seed 0]

Every answer is compared, token for token, with the one that the same request gets alone on another engine. At the end
nothing may be lost, held or different, and memory may not have grown since the first quarter. Exit 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sibao.core.types import Sampling
from sibao.engine.build import build
from sibao.engine.engine import Engine
from sibao.engine.request import Event, Request
from sibao.engine.search import Search
from sibao.models.adapter import adapt, save_adapter
from sibao.models.folder import load_model, read_config
from sibao.models.names import resolve
from sibao.nn.lora import LoraSpec, adapted
from sibao.text.constraint import GrammarConstraint, choice, json_schema, regex
from sibao.text.readers import read_rows
from sibao.text.tokenizer import Tokenizer

ROWS = Path(__file__).resolve().parent.parent / "src" / "sibao" / "samples" / "csl_category.train.jsonl"
CACHE_BYTES = 2 << 20
"""So little that requests have to give way to each other."""
AT_ONCE = 24
"""Requests that wait or run at most; more arrive when some have ended."""


def memory(process: int | str = "self") -> int:
    """Bytes of a process, this one where none is named, that are in memory now."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def make_adapters(base: Path, family: str, place: Path, count: int) -> list[str]:
    """Adapters with random numbers."""
    found = []
    for number in range(count):
        model = load_model(base, torch.float32)
        adapt(model, family, [], LoraSpec(4 + 4 * number, 8.0, dora=number == 1))
        draw = torch.Generator().manual_seed(number)
        for layer in adapted(model).values():
            layer.lora_B.data.normal_(0.0, 0.05, generator=draw)
        save_adapter(model, place / str(number), family, str(base))
        found.append(str(place / str(number)))
    return found


class Visitors:
    """Requests as they come, drawn from a seed."""

    def __init__(self, tokenizer: Tokenizer, adapters: list[str], seed: int) -> None:
        self.random = random.Random(seed)
        self.tokenizer, self.adapters = tokenizer, adapters
        self.texts = [tokenizer.encode(row["prompt"]) for row in read_rows(ROWS)]
        schema = {"type": "object", "properties": {"标题": {"type": "string", "maxLength": 12}, "n": {"type": "integer"}},
                  "required": ["标题", "n"]}  # fmt: skip
        self.forms: list[GrammarConstraint] = [
            json_schema(schema, tokenizer), regex(r"[a-z]{3,9}( [a-z]{2,7}){1,4}", tokenizer),
            choice(["是", "否", "不知道"], tokenizer),
        ]  # fmt: skip
        self.count = 0

    def next(self) -> Request:
        """One more."""
        draw = self.random
        self.count += 1
        ids = [token for _ in range(draw.choice((1, 1, 1, 3))) for token in draw.choice(self.texts)]
        adapter = draw.choice(self.adapters) if draw.random() < 0.3 else None
        kind = draw.random()
        if kind < 0.1:
            new = draw.randint(1, 30)
            search = Search(new, self.tokenizer.eos_ids, draw.randint(2, 3), draw.choice((0.0, 1.0)))
            return Request(str(self.count), ids[: draw.randint(1, 90)], max_tokens=new, adapter=adapter, search=search)
        if kind < 0.25:
            ids = ids[: draw.randint(2, 380)]
            start = draw.randint(1, len(ids) - 1)
            return Request(str(self.count), ids, max_tokens=0, adapter=adapter, score_from=start)
        sampling = Sampling(
            draw.choice((0.0, 0.0, 0.7, 1.2)), draw.choice((0, 40)), draw.choice((1.0, 0.9)), seed=draw.randrange(1 << 30),
            repetition_penalty=draw.choice((1.0, 1.0, 1.2)), logprobs=draw.choice((None, None, 2)),
        )  # fmt: skip
        return Request(
            str(self.count), ids[: draw.randint(1, 380)], sampling, frozenset(self.tokenizer.eos_ids), draw.randint(1, 90),
            constraint=draw.choice(self.forms).fresh() if draw.random() < 0.15 else None,
            adapter=adapter, priority=draw.choice((0, 0, 0, 1)), group=draw.choice((None, "a", "b")),
        )  # fmt: skip


def answer(events: list[Event]) -> tuple[Any, ...]:
    """What a request was told: tokens, scores, how it ended."""
    scores = [s for e in events for s in (*e.logprobs, e.scored, e.search_score) if s is not None]
    return [t for e in events for t in e.token_ids], scores, events[-1].finish_reason


def alone(engine: Engine, request: Request) -> tuple[Any, ...]:
    """The same request with nobody beside it."""
    form = request.constraint
    again = replace(request, constraint=form.fresh() if isinstance(form, GrammarConstraint) else None)
    return answer(list(engine.submit(again)))


def soak(engine: Engine, oracle: Engine, visitors: Visitors, seconds: float) -> tuple[Counter[str], list[int]]:
    """How requests ended, by kind, and memory over time."""
    ended, sizes = Counter[str](), list[int]()
    waiting: dict[str, tuple[Request, list[Event], int | None]] = {}
    begun = time.monotonic()
    while waiting or time.monotonic() - begun < seconds:
        if time.monotonic() - begun < seconds and len(waiting) < AT_ONCE and visitors.random.random() < 0.3:
            request = visitors.next()
            cancel_after = visitors.random.randint(0, 30) if visitors.random.random() < 0.15 else None
            waiting[request.id] = (request, [], cancel_after)
            engine.add(request)
        for event in engine.step():
            waiting[event.id][1].append(event)
        for name, (request, events, cancel_after) in list(waiting.items()):
            if events and events[-1].finish_reason is not None:
                ended[judged(request, events, oracle)] += 1
                del waiting[name]
                if sum(ended.values()) % 50 == 0:
                    sizes.append(memory())
            elif cancel_after is not None and len(events) >= cancel_after:
                engine.cancel(name)
    return ended, sizes


def judged(request: Request, events: list[Event], oracle: Engine) -> str:
    """How a request ended, or that it differs from the same request alone."""
    tokens, scores, reason = answer(events)
    wanted = alone(oracle, request)
    if reason == "cancelled":
        return reason if wanted[0][: len(tokens)] == tokens else "DIFFERENT"
    return str(reason) if (tokens, scores, reason) == wanted else "DIFFERENT"


def main() -> None:
    """Run and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16", "int8", "int4"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    base = resolve("mini").folder
    family, tokenizer = read_config(base)[0], Tokenizer.load(base)
    with tempfile.TemporaryDirectory() as place:
        adapters = make_adapters(base, family, Path(place), 3)
        engine, oracle = (
            build(load_model(base, torch.float32), family=family, precision=given.precision, cache_bytes=CACHE_BYTES)
            for _ in range(2)
        )
        ended, sizes = soak(engine, oracle, Visitors(tokenizer, adapters, given.seed), 60 * given.minutes)
    settled = sizes[len(sizes) // 4 :]
    grown = settled[-1] / settled[0] - 1 if settled else 0.0
    told = {
        "ended": dict(ended),
        "gave_way": engine.gave_way,
        "held": engine.held,
        "memory_growth": round(grown, 3),
    }
    print(json.dumps(told))
    sys.exit(bool(ended["DIFFERENT"] or ended["error"] or engine.held or engine.busy or grown > 0.05))


if __name__ == "__main__":
    main()
