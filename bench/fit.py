"""What `sibao fit` predicts beside what real processes take: peak resident memory of answering and training.

    python bench/fit.py [--only inference] [--write]      # --write puts the table into docs/fit.md

Each row is a process of its own, with a model of random weights written to a temporary folder. The share of the interpreter,
PyTorch and Sibao (`base`) is measured on a model of a few kilobytes and stands in a column of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pages import put

from sibao.choosing.fit import Need, answering, learning
from sibao.choosing.machine import DTYPES, base_bytes
from sibao.choosing.shapes import read_shape
from sibao.models.base import Keys
from sibao.models.folder import family_of, new_network, save_model

MODELS: dict[str, dict[str, Any]] = {
    "qwen3": {
        "vocab_size": 16384, "hidden_size": 640, "num_hidden_layers": 10, "num_attention_heads": 10,
        "num_key_value_heads": 5, "head_dim": 64, "intermediate_size": 1920, "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
    },
    "gpt2": {"vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 2048},
}  # fmt: skip
PAGE = Path(__file__).parents[1] / "docs" / "fit.md"


@dataclass(frozen=True)
class Case:
    """One process. ``way`` is ``inference`` or a key of ``choosing.fit.TRAINING``."""

    family: str
    way: str
    precision: str
    rows: int
    tokens: int


CASES = [
    Case("qwen3", "inference", "fp32", 1, 256), Case("qwen3", "inference", "fp32", 4, 1024),
    Case("qwen3", "inference", "bf16", 8, 2048), Case("gpt2", "inference", "fp32", 1, 1024),
    Case("qwen3", "full, AdamW", "bf16", 4, 256), Case("qwen3", "full, AdamW", "fp32", 2, 256),
    Case("qwen3", "full, Muon", "bf16", 4, 256), Case("gpt2", "full, AdamW", "bf16", 4, 256),
    Case("qwen3", "LoRA", "bf16", 4, 256), Case("qwen3", "LoRA", "bf16", 2, 1024), Case("qwen3", "LoRA", "fp32", 2, 256),
    Case("gpt2", "LoRA", "bf16", 8, 128), Case("qwen3", "DoRA", "bf16", 4, 256), Case("qwen3", "QLoRA", "bf16", 4, 256),
    Case("gpt2", "QLoRA", "bf16", 2, 512),
]  # fmt: skip


def predicted(case: Case) -> Need:
    """The need by `sibao fit`; the models below are stored in float32."""
    base = base_bytes()
    shape = read_shape(case.family, family_of(case.family).read(Keys(MODELS[case.family])))
    if case.way == "inference":
        return answering(shape, case.precision, case.tokens, case.rows, base["inference"], stored="fp32")
    return learning(shape, case.way, case.precision, case.rows, case.tokens, base["training"], stored="fp32")


def write_model(case: Case, folder: Path) -> None:
    """A folder with random weights in float32."""
    network = new_network(family_of(case.family).read(Keys(MODELS[case.family])))
    network.initialize(0)
    save_model(network, folder, case.family)


def answer(case: Case, folder: Path) -> None:
    """All rows at once, filled up to the last token."""
    from sibao.core.types import Sampling
    from sibao.engine.build import build
    from sibao.engine.request import Request
    from sibao.models.folder import load_model

    model = load_model(folder, DTYPES[case.precision])
    draw = torch.Generator().manual_seed(0)
    prompts = torch.randint(5, model.config.vocab_size, (case.rows, case.tokens - 4), generator=draw).tolist()
    requests = [Request(str(i), prompt, Sampling(), frozenset(), 4) for i, prompt in enumerate(prompts)]
    with build(model).submit(*requests) as events:
        for _ in events:
            pass


class Noise:
    """Rows of random tokens, each one document."""

    def __init__(self, tokens: int, vocabulary: int) -> None:
        self.tokens, self.vocabulary = tokens, vocabulary

    def rows(self, first: int, count: int) -> Any:
        """Any rows: what they say does not matter here."""
        from sibao.training.batches import Batch

        draw = torch.Generator().manual_seed(first)
        ids = torch.randint(5, self.vocabulary, (count, self.tokens), generator=draw)
        positions = torch.arange(self.tokens).expand(count, -1)
        return Batch(ids, ids.roll(-1, 1), positions, torch.zeros_like(ids))


def learn(case: Case, folder: Path) -> None:
    """Three steps through the real loop, with the checkpoint at the end."""
    from sibao.models.adapter import adapt, save_adapter
    from sibao.models.folder import load_network
    from sibao.nn.lora import LoraSpec
    from sibao.nn.quantized import freeze_base
    from sibao.training.loop import Job, train
    from sibao.training.objectives import causal
    from sibao.training.recipe import parse_recipe

    whole = case.way.startswith("full")
    model = load_network(folder, torch.float32 if whole else None)
    if not whole:
        freeze_base(model, "nf4" if case.way == "QLoRA" else "auto", case.precision)
        adapt(model, case.family, [], LoraSpec(16, 32.0, dora=case.way == "DoRA"))
    recipe = parse_recipe({
        "model": {"base": "noise"}, "data": {"train": []}, "schedule": {"steps": 3, "warmup": 0},
        "optimizer": {"name": "muon" if case.way.endswith("Muon") else "adamw", "lr": 1e-4},
        "run": {"rows": case.rows, "micro_rows": case.rows, "precision": case.precision},
    })  # fmt: skip

    def write(path: Path) -> None:
        if whole:
            save_model(model, path, case.family)
        else:
            save_adapter(model, path, case.family, "noise")

    rows: Any = Noise(case.tokens, model.config.vocab_size)
    train(Job(recipe, model, causal, rows, folder / "checkpoints", write))


def child(case: Case, folder: Path) -> None:
    """What one process does; prints its peak."""
    from sibao.core.system import peak_memory_bytes

    torch.set_num_threads(1)
    (answer if case.way == "inference" else learn)(case, folder)
    print(peak_memory_bytes())


def measured(case: Case) -> int:
    """Peak resident memory of a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        script = [sys.executable, __file__, "--case", json.dumps(vars(case)), "--folder", str(folder)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([*script, "--make"], check=True, env=environment)
        done = subprocess.run(script, check=True, capture_output=True, text=True, env=environment)
        return int(done.stdout.split()[-1])


def row(case: Case) -> str:
    """One line of the table, in MB."""
    need, real = predicted(case), measured(case)
    what = f"{case.rows} × {case.tokens} tokens"
    return (
        f"| {case.family} | {case.way} | {case.precision} | {what} | {need.base / 1e6:.0f} | {need.peak / 1e6:.0f} "
        f"| {real / 1e6:.0f} | {need.peak / real:.2f} |"
    )


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="ways whose name holds this")
    parser.add_argument("--write", action="store_true", help="put the table into docs/fit.md")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        (write_model if given.make else child)(Case(**json.loads(given.case)), Path(given.folder))
        return
    lines = ["| model | way | precision | work | base MB | predicted MB | measured MB | ratio |", "|" + "---|" * 8]
    print("\n".join(lines), flush=True)
    for case in CASES:
        if given.only in case.way:
            lines.append(row(case))
            print(lines[-1], flush=True)
    if given.write:
        put(PAGE, "measured", lines)


if __name__ == "__main__":
    main()
