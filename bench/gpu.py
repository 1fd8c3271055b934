"""The engine on a GPU: decoding and reading of prompts in bf16, beside what memory and arithmetic allow and Transformers.

    python bench/gpu.py                          # the table, for Qwen3-0.6B with random weights
    python bench/gpu.py --model FOLDER --rows 1 16 64 --new 128

Limits are measured in the same run: bytes that a large copy moves in a second, and operations of a large bf16 product. A
step of decoding must read all weights that it multiplies with, and the keys and values of all rows; a prompt costs two
operations for each weight and token. Figures are medians. Without a GPU it says so and ends.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from engines.limit import multiplied
from engines.shapes import SHAPES, folder_of

from sibao.engine.build import build
from sibao.engine.engine import Engine
from sibao.engine.request import Request
from sibao.models.folder import load_model

PROMPT = 128
"""Tokens that stand before what is decoded."""


@dataclass(frozen=True)
class Plan:
    """What is measured: rows at once, new tokens of each, lengths of prompts, repetitions."""

    rows: tuple[int, ...] = (1, 16, 64)
    new: int = 128
    prompts: tuple[int, ...] = (512, 2048)
    runs: int = 3


@dataclass(frozen=True)
class Limits:
    """Bytes and operations in a second."""

    bandwidth: float
    operations: float


def limits(device: torch.device, size: int = 1 << 30, side: int = 8192) -> Limits:
    """What this device does at most: a copy of ``size`` bytes, a product of square bf16 matrices."""
    source = torch.empty(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    one = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    copied = min(_times(lambda: target.copy_(source), device))
    multiplied_in = min(_times(lambda: one @ one, device))
    return Limits(2 * size / copied, 2 * side**3 / multiplied_in)


def _times(work: Callable[[], object], device: torch.device, runs: int = 7) -> list[float]:
    """Seconds of each run after a first one."""
    found = []
    for _ in range(runs + 1):
        _wait(device)
        begun = time.perf_counter()
        work()
        _wait(device)
        found.append(time.perf_counter() - begun)
    return found[1:]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass(frozen=True)
class Subject:
    """A model: its folder, words, weights of the body and with the head, and bytes of a token's keys and values."""

    folder: Path
    vocab: int
    body: float
    whole: float
    token_bytes: int

    @staticmethod
    def of(folder: Path) -> Subject:
        """Read from the folder."""
        config = load_model(folder, torch.bfloat16).config
        kept = 2 * config.num_hidden_layers * config.key_size * 2
        return Subject(folder, config.vocab_size, *multiplied(folder, config.vocab_size), kept)

    def prompts(self, rows: int, length: int, seed: int) -> list[list[int]]:
        """Random tokens: no two begin alike."""
        draw = torch.Generator().manual_seed(seed)
        found: list[list[int]] = torch.randint(0, self.vocab, (rows, length), generator=draw).tolist()
        return found

    def decode_limit(self, limit: Limits, rows: int, length: float) -> float:
        """Tokens in a second that ``rows`` texts of that length can be given: the slower of memory and arithmetic."""
        read = (2 * self.whole + rows * length * self.token_bytes) / limit.bandwidth
        return rows / max(read, 2 * self.whole * rows / limit.operations)


def written(engine: Engine, prompts: list[list[int]], new: int) -> tuple[list[list[int]], float, float]:
    """The tokens, seconds until all have their first one, and seconds of the rest."""
    begun, first = time.perf_counter(), 0.0
    found: list[list[int]] = [[] for _ in prompts]
    requests = [Request(str(i), prompt, max_tokens=new) for i, prompt in enumerate(prompts)]
    for event in engine.submit(*requests):
        found[int(event.id)] += event.token_ids
        if not first and all(found):
            first = time.perf_counter()
    return found, first - begun, time.perf_counter() - first


def decoding(make: Callable[[], Engine], subject: Subject, rows: int, plan: Plan) -> tuple[float, list[list[int]]]:
    """Tokens in a second after the first of each, and the tokens."""
    engine = make()
    speeds, tokens = [], list[list[int]]()
    for run in range(plan.runs + 1):
        # other prompts each time: what an engine remembers of earlier ones would save it their reading
        tokens, _, seconds = written(engine, subject.prompts(rows, PROMPT, seed=run), plan.new)
        speeds.append(rows * (plan.new - 1) / seconds)
    return statistics.median(speeds[1:]), tokens  # the first records its graphs


def reading(make: Callable[[], Engine], subject: Subject, length: int, plan: Plan) -> float:
    """Tokens of a prompt in a second."""
    engine = make()
    speeds = []
    for run in range(plan.runs + 1):
        _, seconds, _ = written(engine, subject.prompts(1, length, seed=run), 1)
        speeds.append(length / seconds)
    return statistics.median(speeds[1:])


class Transformers:
    """``generate`` of the same folder, with SDPA and the faster of its two caches."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        import transformers

        transformers.utils.logging.set_verbosity_error()
        kind: Any = transformers.AutoModelForCausalLM
        self.model = kind.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa").to(device).eval()
        self.device = device

    def decoding(self, subject: Subject, rows: int, plan: Plan) -> float:
        """As ``decoding``."""
        return max(self._decoding(subject, rows, plan, cache) for cache in ("dynamic", "static"))

    def _decoding(self, subject: Subject, rows: int, plan: Plan, cache: str) -> float:
        seconds = {}
        for new in (1, plan.new):
            ids = torch.tensor(subject.prompts(rows, PROMPT, seed=0), device=self.device)
            seconds[new] = statistics.median(
                _times(lambda n=new, i=ids: self._write(i, n, cache), self.device, plan.runs)
            )
        return rows * (plan.new - 1) / (seconds[plan.new] - seconds[1])

    def reading(self, subject: Subject, length: int, plan: Plan) -> float:
        """As ``reading``."""
        ids = torch.tensor(subject.prompts(1, length, seed=0), device=self.device)
        return length / statistics.median(_times(lambda: self._write(ids, 1, "dynamic"), self.device, plan.runs))

    def _write(self, ids: torch.Tensor, new: int, cache: str) -> None:
        with torch.inference_mode():
            self.model.generate(
                ids, attention_mask=torch.ones_like(ids), min_new_tokens=new, max_new_tokens=new, do_sample=False,
                eos_token_id=None, cache_implementation=cache,
            )  # fmt: skip


def table(folder: Path, device: torch.device, plan: Plan, limit: Limits) -> list[str]:
    """The table in Markdown."""
    subject = Subject.of(folder)
    network = load_model(folder, torch.bfloat16).to(device)

    def make(rows: int = 1) -> Engine:
        return build(network, max_batch=rows, kernels=False)

    peer = Transformers(folder, device) if importlib.util.find_spec("transformers") else None
    lines = ["| work | tokens/s | of the limit | Transformers | ratio |", "| --- | --- | --- | --- | --- |"]
    for rows in plan.rows:
        speed, tokens = decoding(lambda rows=rows: make(rows), subject, rows, plan)
        if any(len(text) != plan.new for text in tokens):
            raise SystemExit(f"{rows} rows: wanted {plan.new} new tokens of each")
        most = subject.decode_limit(limit, rows, PROMPT + plan.new / 2)
        lines.append(_line(f"decode, {rows} at once", speed, most, peer and peer.decoding(subject, rows, plan)))
    longest = network.config.max_position_embeddings - 1
    for length in [length for length in plan.prompts if length <= longest]:
        most = limit.operations / (2 * subject.body)
        theirs = peer and peer.reading(subject, length, plan)
        lines.append(_line(f"prompt of {length}", reading(make, subject, length, plan), most, theirs))
    return lines


def _line(work: str, speed: float, most: float, theirs: float | None) -> str:
    other = ("not installed", "") if theirs is None else (f"{theirs:,.0f}", f"{speed / theirs:.2f}×")
    return f"| {work} | {speed:,.0f} | {speed / most:.0%} | {' | '.join(other)} |"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a decoder's folder (default: Qwen3-0.6B with random weights)")
    parser.add_argument("--rows", type=int, nargs="+", default=list(Plan.rows))
    parser.add_argument("--new", type=int, default=Plan.new)
    parser.add_argument("--prompts", type=int, nargs="+", default=list(Plan.prompts))
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print(f"no GPU here: torch {torch.__version__} sees none, and nothing was measured")
        return
    device = torch.device("cuda:0")
    plan = Plan(tuple(args.rows), args.new, tuple(args.prompts))
    found = limits(device)
    print(f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}")
    print(f"copies {found.bandwidth / 1e9:,.0f} GB/s, multiplies {found.operations / 1e12:,.0f} TFLOP/s in bf16\n")
    print("\n".join(table(args.model or folder_of(SHAPES["qwen3"]), device, plan, found)))


if __name__ == "__main__":
    main()
