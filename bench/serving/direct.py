"""Sibao's engine called directly with what the clients of bench/serve.py ask: what a server costs is the difference.

    python bench/serving/direct.py FOLDER PRECISION THREADS < JSON     (a list of [prompts, new, at once])

Prints one JSON list: seconds of each.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from sibao.core.types import GenerateOptions
from sibao.providers.load import load


def seconds(model: Any, prompts: list[str], new: int, at_once: int) -> float:
    """As many callers as clients, each one prompt after another, in one engine: the next begins when one has ended."""
    options, left = GenerateOptions(max_tokens=new), iter(prompts)
    engine, running = model.engine, dict[str, Any]()
    begun = time.perf_counter()

    def start() -> None:
        if (prompt := next(left, None)) is not None:
            answer = model.begin(prompt, options)
            running[answer.request.id] = answer
            engine.add(answer.request)

    for _ in range(at_once):
        start()
    while running:
        for event in engine.step():
            running[event.id].take(event)
            if event.finish_reason is not None:
                del running[event.id]
                start()
    return time.perf_counter() - begun


def main() -> None:
    """Read what is asked, do it, print the times."""
    folder, precision, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    model = load(folder, precision=precision, threads=threads)
    asked = json.load(sys.stdin)
    model.generate(["warm"], GenerateOptions(max_tokens=4))
    print(json.dumps([seconds(model, *one) for one in asked]))


if __name__ == "__main__":
    main()
