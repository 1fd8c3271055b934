"""The project's own figures on this machine: start-up of the commands, decoding and reading speed of `mini`, beside the limit.

    make bench            (or: python bench/run.py [--model NAME] [--json])

Speeds are medians of three. The limit of decoding is memory bandwidth: weights' bytes are read once for each step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

COMMANDS = {
    "translate": ["translate", "我喜欢读书。", "--to", "en"],
    "answer": ["answer", "谁喜欢读书？", "--context", "小明喜欢读书，小红喜欢画画。"],
    "summarize": ["summarize", "-"],
    "generate": ["generate", "Once upon a time"],
}
DOCUMENT = "今天天气很好，小明和小红一起去公园散步，看见了许多花。"


def median_seconds(work: Callable[[], object], runs: int = 3) -> float:
    """Median wall time; one run before it is not counted."""
    work()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def command_seconds(model: str) -> dict[str, float]:
    """Whole commands with 32 new tokens, warm disk cache."""
    found = {}
    for name, words in COMMANDS.items():
        given = DOCUMENT.encode() if name == "summarize" else None
        command = [sys.executable, "-m", "sibao", *words, "--model", model, "--max-tokens", "32", "--json"]
        found[name] = median_seconds(
            lambda c=command, g=given: subprocess.run(c, input=g, capture_output=True, check=True)
        )
    return found


def bandwidth() -> float:
    """Bytes a second that a sum over 512 MB reads."""
    import torch

    numbers = torch.ones(128 * 2**20)
    return numbers.nbytes / median_seconds(numbers.sum)


def engine_speed(model: str) -> dict[str, float]:
    """Tokens per second of the engine: reading 256 tokens, writing one stream and sixteen."""
    import torch

    from sibao.core.types import Sampling
    from sibao.engine.request import Request
    from sibao.providers.load import load

    engine: Any = load(model).engine  # type: ignore[attr-defined]
    vocab = engine.model.config.vocab_size
    prompt = torch.randint(5, vocab, (256,), generator=torch.Generator().manual_seed(0)).tolist()
    numbers = iter(range(10**6))

    def run(streams: int, new: int, length: int) -> None:
        requests = [Request(str(next(numbers)), prompt[:length], Sampling(), frozenset(), new) for _ in range(streams)]
        with engine.submit(*requests) as events:
            for _ in events:
                pass

    weights = sum(p.nbytes for p in engine.model.parameters())
    read, one = median_seconds(lambda: run(1, 1, 256)), median_seconds(lambda: run(1, 64, 32))
    many = median_seconds(lambda: run(16, 64, 32))
    limit = bandwidth() / weights
    return {
        "prefill 256": 256 / read, "decode, one stream": 64 / one, "decode, 16 at once": 16 * 64 / many,
        "limit of one stream (bandwidth / weights)": limit,
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = {"commands, seconds": command_seconds(given.model), "engine, tokens/s": engine_speed(given.model)}
    if given.json:
        print(json.dumps(result, ensure_ascii=False))
        return
    for title, figures in result.items():
        print(f"\n{title} ({given.model})")
        for name, value in figures.items():
            print(f"  {name:<44}{value:10.2f}")


if __name__ == "__main__":
    main()
