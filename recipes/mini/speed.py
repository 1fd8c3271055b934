"""How fast a model is in a process of its own: `python recipes/mini/speed.py MODEL` prints one line of JSON.

Greedy decoding of random prompts without an end token, so that every run does the same work; best of three. A process
of its own, because its peak memory must not be that of something else.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from typing import Any

PROMPT, NEW, STREAMS, REPEATS = 512, 128, 16, 3


def load_timed(name: str, threads: int | None) -> tuple[Any, float]:
    """The model, and seconds from nothing imported to ready."""
    begun = time.perf_counter()
    from sibao.providers.load import load

    model = load(name, threads=threads)
    return model, time.perf_counter() - begun


def prompt(length: int, vocabulary: int, seed: int) -> list[int]:
    """Ordinary tokens drawn at random (ids under 300 are control tokens and single bytes)."""
    rng = random.Random(seed)
    return [rng.randrange(300, vocabulary) for _ in range(length)]


def generate(model: Any, prompts: list[list[int]], new: int) -> tuple[float, float]:
    """Seconds to the first token of the first stream, and to the end of all of them."""
    from sibao.engine.request import Request

    begun, first = time.perf_counter(), 0.0
    requests = [Request(str(i), ids, max_tokens=new) for i, ids in enumerate(prompts)]
    for event in model.engine.submit(*requests):
        if event.token_ids and not first:
            first = time.perf_counter() - begun
    return first, time.perf_counter() - begun


def best(work: Callable[[], tuple[float, float]], value: Callable[[float, float], float]) -> float:
    """The best of a few repeats, after one to warm up."""
    work()
    return max(value(*work()) for _ in range(REPEATS))


def measure(model: Any, load_seconds: float) -> dict[str, Any]:
    """Tokens per second and memory."""
    import torch

    from sibao.core.system import machine, peak_memory_bytes

    size = model.tokenizer.vocab_size
    long, short = prompt(min(PROMPT, model.context - 1), size, 0), prompt(16, size, 1)
    many = [prompt(16, size, seed) for seed in range(STREAMS)]
    return {
        "load_seconds": load_seconds,
        "first_token_seconds": 1 / best(lambda: generate(model, [short], 1), lambda first, _: 1 / first),
        "prefill_tokens_per_second": best(lambda: generate(model, [long], 1), lambda first, _: len(long) / first),
        "decode_tokens_per_second": best(
            lambda: generate(model, [short], NEW), lambda first, all_: (NEW - 1) / (all_ - first)
        ),
        "decode_16_tokens_per_second": best(
            lambda: generate(model, many, NEW), lambda first, all_: STREAMS * (NEW - 1) / (all_ - first)
        ),
        "peak_memory_bytes": peak_memory_bytes(),
        "prompt_tokens": len(long), "new_tokens": NEW, "streams": STREAMS, "repeats": REPEATS,
        "threads": torch.get_num_threads(), "cpu": machine().cpu, "torch": torch.__version__,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("model", help="model folder or name")
    parser.add_argument("--threads", type=int, help="cores to compute with (default: PyTorch's choice)")
    args = parser.parse_args()
    print(json.dumps(measure(*load_timed(args.model, args.threads))))


if __name__ == "__main__":
    main()
