"""Sibao beside Transformers, same weights, same machine, same threads: writing one stream and sixteen, reading 256 tokens.

    make bench-peers      (or: python bench/peers.py [--model FOLDER])

Both run in float32 and greedily; the tokens are compared first, and a difference is printed instead of a time.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from run import median_seconds

from sibao.core.types import Sampling
from sibao.engine.request import Request
from sibao.models.names import resolve
from sibao.providers.load import load

NEW = 64


def ours(engine: Any, prompts: list[list[int]], new: int) -> list[list[int]]:
    """Greedy tokens of Sibao's engine."""
    found: dict[str, list[int]] = {str(i): [] for i in range(len(prompts))}
    requests = [Request(str(i), p, Sampling(), frozenset(), new) for i, p in enumerate(prompts)]
    with engine.submit(*requests) as events:
        for event in events:
            found[event.id] += event.token_ids
    return list(found.values())


def theirs(model: Any, prompts: list[list[int]], new: int) -> list[list[int]]:
    """Greedy tokens of Transformers."""
    ids = torch.tensor(prompts)
    out = model.generate(
        ids, max_new_tokens=new, min_new_tokens=new, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    return [row[len(prompts[0]) :].tolist() for row in out]


def main() -> None:
    """Measure and print."""
    from transformers import AutoModelForCausalLM

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini")
    folder = resolve(parser.parse_args().model).folder
    engine = load(str(folder)).engine  # type: ignore[attr-defined]
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    vocab = engine.model.config.vocab_size
    draw = torch.Generator().manual_seed(0)
    print(f"{'work':<24}{'Sibao':>12}{'Transformers':>14}{'ratio':>8}   tokens/s, {torch.get_num_threads()} threads")
    for title, streams, length, new in (("decode, one stream", 1, 32, NEW), ("decode, 16 at once", 16, 32, NEW),
                                        ("prefill 256", 1, 256, 1)):  # fmt: skip
        prompts = torch.randint(5, vocab, (streams, length), generator=draw).tolist()
        if ours(engine, prompts, new) != theirs(reference, prompts, new):
            print(f"{title:<24}the two wrote different tokens; not timed")
            continue
        tokens = streams * (new if new > 1 else length)
        a = tokens / median_seconds(lambda p=prompts, n=new: ours(engine, p, n))
        b = tokens / median_seconds(lambda p=prompts, n=new: theirs(reference, p, n))
        print(f"{title:<24}{a:12.0f}{b:14.0f}{a / b:8.2f}")


if __name__ == "__main__":
    main()
