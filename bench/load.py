"""Loading a 0.6B-shape Qwen3 folder and writing its first token: Sibao beside Transformers, each in processes of its own.

    python bench/load.py [--runs 2] [--precision bf16] [--clock wall] [--folder FOLDER]

The folder (1.2 GB of random bfloat16 weights, vocabulary tied) is written to a temporary place and removed afterwards. Runs
alternate, the better of each is taken: the page cache is warm for both. `--clock cpu` counts the processor's time instead, for
a machine that others use too. `peak` is the resident memory at most, pages of the
mapped file included; `own` (unique set size) is what is left without what other processes could share.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONFIG = {
    "vocab_size": 151936, "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16,
    "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072, "max_position_embeddings": 40960,
    "rope_theta": 1000000.0, "tie_word_embeddings": True,
}  # fmt: skip
PROMPT = list(range(100, 132))
PEERS = ("sibao", "transformers")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
clock = CLOCKS[os.environ.get("LOAD_CLOCK", "wall")]
LIMIT = 1.2
"""Times the seconds of Transformers that Sibao may take."""


def make(folder: Path) -> None:
    """Random weights, in bfloat16."""
    import torch

    from sibao.models.base import Keys
    from sibao.models.folder import family_of, new_network, save_model

    torch.set_default_dtype(torch.bfloat16)
    network = new_network(family_of("qwen3").read(Keys(CONFIG)))
    for parameter in network.parameters():
        parameter.data.normal_(0.0, 0.02) if parameter.dim() > 1 else parameter.data.fill_(1.0)
    save_model(network, folder, "qwen3")


def ours(folder: Path, precision: str) -> tuple[float, float, float, int]:
    """Seconds when imported, loaded, and with the first token; and the token."""
    from sibao.choosing.machine import DTYPES
    from sibao.core.types import Sampling
    from sibao.engine.engine import Engine
    from sibao.engine.request import Request
    from sibao.models.folder import load_model

    imported = clock()
    engine = Engine(load_model(folder, DTYPES[precision]))
    loaded = clock()
    with engine.submit(Request("1", PROMPT, Sampling(), frozenset(), 1)) as events:
        token = next(t for event in events for t in event.token_ids)
    return imported, loaded, clock(), token


def theirs(folder: Path, precision: str) -> tuple[float, float, float, int]:
    """The same with Transformers."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    imported = clock()
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    loaded = clock()
    greedy = GenerationConfig(max_new_tokens=1, do_sample=False, eos_token_id=None, pad_token_id=0)
    out = model.generate(torch.tensor([PROMPT]), generation_config=greedy)
    return imported, loaded, clock(), int(out[0, -1])


def child(peer: str, folder: Path, precision: str) -> None:
    """One process; prints a JSON object."""
    began = clock()
    imported, loaded, first, token = (ours if peer == "sibao" else theirs)(folder, precision)
    import psutil

    from sibao.core.system import peak_memory_bytes

    own = psutil.Process().memory_full_info().uss
    print(json.dumps({
        "import": imported - began, "load": loaded - imported, "first token": first - imported, "all": first - began,
        "peak": peak_memory_bytes(), "own": own, "token": token,
    }))  # fmt: skip


def run(peer: str, folder: Path, precision: str) -> dict[str, Any]:
    """Start a process and read what it says."""
    words = [sys.executable, __file__, "--peer", peer, "--folder", str(folder), "--precision", precision]
    environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(folder: Path, precision: str, runs: int) -> None:
    """Run both, in turns, and print the table."""
    found: dict[str, list[dict[str, Any]]] = {peer: [] for peer in PEERS}
    for _ in range(runs):
        for peer in PEERS:
            found[peer].append(run(peer, folder, precision))
    if len({one["token"] for many in found.values() for one in many}) > 1:
        print("the two wrote different tokens")
    print(f"{precision:<32}{'Sibao':>10}{'Transformers':>14}{'ratio':>8}")
    rows = [("import", "s, imports"), ("load", "s to loaded"), ("first token", "s to first token"),
            ("all", "s to first token, with imports"), ("peak", "MB peak"), ("own", "MB own at the end")]  # fmt: skip
    for key, label in rows:
        a, b = (min(one[key] for one in found[peer]) for peer in PEERS)
        scale, digits = (1e6, 0) if key in ("peak", "own") else (1, 2)
        print(f"{label:<32}{a / scale:>10.{digits}f}{b / scale:>14.{digits}f}{a / b:>8.2f}")
    print(f"wanted: at most {LIMIT} for the first token, at most 1 for the peak")


def main() -> None:
    """Make the folder, compare, remove it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--folder", help="a folder that is there already")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    given = parser.parse_args()
    os.environ.setdefault("LOAD_CLOCK", given.clock)  # of the processes that are started
    if given.peer:
        child(given.peer, Path(given.folder), given.precision)
    elif given.folder:
        compare(Path(given.folder), given.precision, given.runs)
    else:
        with tempfile.TemporaryDirectory() as place:
            make(Path(place) / "model")
            compare(Path(place) / "model", given.precision, given.runs)


if __name__ == "__main__":
    main()
