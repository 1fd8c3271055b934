"""The benchmark for GPUs: it says that there is none; on a CPU its parts run on a tiny model."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))  # as the script itself finds its neighbours
    return importlib.import_module("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    ran = subprocess.run([sys.executable, str(ROOT / "bench" / "gpu.py")], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("no GPU here: ")


def test_the_table_of_a_tiny_model(bench: ModuleType, qwen_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cpu")
    limit = bench.limits(device, size=1 << 20, side=64)
    assert limit.bandwidth > 0 and limit.operations > 0
    plan = bench.Plan(rows=(1,), new=4, prompts=(64, 999), runs=1)
    monkeypatch.setattr(bench, "PROMPT", 16)
    head, _, *rows = bench.table(qwen_folder, device, plan, limit)
    assert len(rows) == 2 and all(row.count("|") == head.count("|") for row in rows), "999 tokens do not fit"
    assert rows[0].startswith("| decode, 1 at once |") and rows[1].startswith("| prompt of 64 |")
    assert all(re.search(r"\| [\d,]+ \| \d+% \| [\d,]+ \| \d+\.\d\d× \|$", row) for row in rows)


def test_the_limit_of_decoding(bench: ModuleType) -> None:
    subject = bench.Subject(Path(), 100, body=1e9, whole=1e9, token_bytes=100_000)
    memory, arithmetic = bench.Limits(1e12, 1e15), bench.Limits(1e12, 1e12)
    assert subject.decode_limit(memory, 1, 0) == pytest.approx(500)  # 2 GB of weights a step
    assert subject.decode_limit(memory, 10, 2000) == pytest.approx(2500)  # and 2 GB of keys and values
    assert subject.decode_limit(arithmetic, 10, 0) == pytest.approx(500)
