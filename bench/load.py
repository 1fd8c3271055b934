"""Loading a 0.6B-shape Qwen3 folder and writing its first token: Sibao beside Transformers, each in processes of its own.

    python bench/load.py [--runs 2] [--precision bf16|fp32|int8|int4] [--clock wall] [--folder FOLDER]

The folder (1.2 GB of random bfloat16 weights, vocabulary tied) is written to a temporary place and removed afterwards. Runs
alternate, the better of each is taken: the page cache is warm for both. `--clock cpu` counts the processor's time instead, for
a machine that others use too. `peak` is the resident memory at most, pages of the
mapped file included; `own` (unique set size) is what is left without what other processes could share. In int8 and int4 Sibao
maps the weights that its first run packed and kept, and Transformers has none of that: it stays in bf16.
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
    import torch

    from sibao.core.types import Sampling
    from sibao.engine.build import build, build_packed
    from sibao.engine.request import Request
    from sibao.models.folder import load_model, load_network, read_config
    from sibao.models.weights import weight_files

    imported = clock()
    floats = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if precision in floats:
        engine = build(load_model(folder, floats[precision]), kernels=True)
    else:
        network: Any = lambda: load_network(folder, quantized=True).eval()  # noqa: E731
        engine = build_packed(read_config(folder)[1], precision, weight_files(folder), network)
    loaded = clock()
    with engine.submit(Request("1", PROMPT, Sampling(), frozenset(), 1)) as events:
        token = next(t for event in events for t in event.token_ids)
    found = clock()
    runner: Any = engine.runner
    print(json.dumps({"weights": runner.weights.nbytes}), file=sys.stderr)
    return imported, loaded, found, token


def theirs(folder: Path, precision: str) -> tuple[float, float, float, int]:
    """The same with Transformers."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    imported = clock()
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
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
    if peer == "sibao":
        found |= json.loads(done.stderr.splitlines()[-1])
    return found


def compare(folder: Path, precision: str, runs: int) -> None:
    """Run both, in turns, and print the table."""
    found: dict[str, list[dict[str, Any]]] = {peer: [] for peer in PEERS}
    for _ in range(runs):
        for peer in PEERS:
            found[peer].append(run(peer, folder, precision))
    if precision in ("bf16", "fp32") and len({one["token"] for many in found.values() for one in many}) > 1:
        print("the two wrote different tokens")
    print(f"{precision:<32}{'Sibao':>10}{'Transformers':>14}{'ratio':>8}")
    rows = [("import", "s, imports"), ("load", "s to loaded"), ("first token", "s to first token"),
            ("all", "s to first token, with imports"), ("peak", "MB peak"), ("own", "MB own at the end")]  # fmt: skip
    for key, label in rows:
        a, b = (min(one[key] for one in found[peer]) for peer in PEERS)
        scale, digits = (1e6, 0) if key in ("peak", "own") else (1, 2)
        print(f"{label:<32}{a / scale:>10.{digits}f}{b / scale:>14.{digits}f}{a / b:>8.2f}")
    beside = min(one["peak"] - one["weights"] for one in found["sibao"])
    print(f"{'MB peak besides the weights':<32}{beside / 1e6:>10.0f}")
    print(f"wanted: at most {LIMIT} for the first token, at most 1 for the peak")


def main() -> None:
    """Make the folder, compare, remove it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--precision", choices=("bf16", "fp32", "int8", "int4"), default="bf16")
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
