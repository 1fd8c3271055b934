"""The benchmark of engines, end to end on a model of two layers: real processes, checked answers, honest cells."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.tiny import tiny_folder

ROOT = Path(__file__).parents[2]
VOCAB = 700


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))  # as the script itself finds its neighbours
    return importlib.import_module("engine")


@pytest.fixture
def place(bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of the benchmark here, with a tiny model, and no peer installed but Transformers, which Sibao's own has."""
    for name in ("shapes", "files", "client"):
        monkeypatch.setattr(importlib.import_module(f"engines.{name}"), "PLACE", tmp_path)
    monkeypatch.setattr(importlib.import_module("engines.files"), "PEERS", tmp_path / "peers")
    bin = tmp_path / "peers" / "transformers" / "bin"
    bin.mkdir(parents=True)
    (bin.parent / "installed").touch()
    (bin / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    (bin / "python").chmod(0o755)
    tiny_folder(tmp_path / "tiny" / "hf", vocab=VOCAB)
    return tmp_path


def test_engines_answer_alike_and_missing_ones_say_why(bench: ModuleType, place: Path) -> None:
    plan, works = (importlib.import_module(f"engines.{name}") for name in ("plan", "works"))
    shape = importlib.import_module("engines.shapes").Shape("tiny", "tiny", "qwen3")
    variants = (
        plan.sibao("fp32"),
        plan.sibao("int3"),
        plan.Variant("transformers", "fp32", settings={"precision": "fp32"}),
        plan.Variant("llama", "q8_0", "gguf-q8_0"),
    )
    small = works.Scale(samples=2, seconds=0.0, tries=1, patience=0.0, new=5, prompt=20)
    ((_, decode), (_, prompt)) = bench.measure.run(
        plan.Job(shape, (works.Decode(3), works.Prompt(40)), variants), small, 1
    )
    for cells in (decode, prompt):
        assert len(cells["sibao fp32"]["samples"]) == len(cells["transformers fp32"]["samples"]) == 2
        assert cells["sibao fp32"]["median"] > 0 and cells["transformers fp32"]["weight_bytes"] > 0
        # a tied embedding counts once
        assert cells["sibao fp32"]["weight_bytes"] == pytest.approx(
            cells["transformers fp32"]["weight_bytes"], rel=0.02
        )
        assert "int3" in cells["sibao int3"]["not_run"]
        assert cells["llama q8_0"]["not_run"].startswith("not installed")
    assert decode["sibao fp32"]["check"]["of"] == 3 * 6
    assert decode["sibao fp32"]["same"] == {"as": "transformers fp32", "count": 18, "of": 18}


def test_a_process_that_errs_or_dies_is_a_reason(bench: ModuleType, place: Path) -> None:
    from_client, files = (importlib.import_module(f"engines.{name}") for name in ("client", "files"))
    with from_client.Client("sibao", files.python_of("sibao"), 1) as client:
        with pytest.raises(files.NotRun, match="没有"):
            client.ask("load", folder=str(place / "没有"), threads=1, precision="fp32")
        client.ask("load", folder=str(place / "tiny" / "hf"), threads=1, precision="fp32")
        checked = client.ask(
            "check_score", rows=[("春眠不觉晓，\n", ["处处", "闻啼鸟"]), ("fox ", ["jumps", "lazy dog"])]
        )
        assert checked["of"] == 4 and checked["different"] == 0
        told = client.ask("task", name="answer", rows=[{"context": "床前明月光", "question": "什么？"}], new=3)
        assert 0 < told["count"] <= 3
        client.process.kill()
        with pytest.raises(files.NotRun, match="process ended"):
            client.ask("about")


def test_a_reason_is_one_line_and_names_no_place(bench: ModuleType) -> None:
    files = importlib.import_module("engines.files")
    assert str(files.NotRun(f"cannot read {ROOT}/build/bench/x\nTraceback")) == "cannot read build/bench/x"


def test_only_a_quiet_sample_ends_the_tries(bench: ModuleType) -> None:
    quiet, calls = importlib.import_module("engines.quiet"), []
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.3)
        found = quiet.sample(lambda: calls.append(1) or time.sleep(0.5) or 7.0, None, tries=2, patience=0.0)
    finally:
        other.kill()
        other.wait()
    assert found.value == 7.0 and found.noise > quiet.ALLOWED and len(calls) == 2


def test_the_limit_is_memory_for_one_row_and_arithmetic_for_many(bench: ModuleType) -> None:
    limits = bench.limit.Limits(read=20e9, triad=10e9, operations={"int8": 1e12, "fp32": 1e11})
    assert limits.rate(1, 1e9, 1e9, "int8") == pytest.approx(20)
    assert limits.rate(512, 1e9, 1e9, "int8") == pytest.approx(500)
    assert limits.rate(512, 0.5e9, 1e9, "int4") == pytest.approx(500)  # four bits are multiplied as eight
    assert limits.rate(512, 4e9, 1e9, "fp32") == pytest.approx(50)


def _cell(peer: str, weights: str, median: float | None, **more: Any) -> dict[str, Any]:
    told = (
        {"samples": [{"value": median, "noise": 0.01}], "median": median}
        if median
        else {"samples": [], "not_run": "why"}
    )
    return {"peer": peer, "weights": weights, "version": f"{peer} 1", "weight_bytes": 10**8, "note": "", **told, **more}


def test_the_table_compares_like_with_like(bench: ModuleType, place: Path) -> None:
    shapes = importlib.import_module("engines.shapes")
    tiny_folder(place / "qwen3" / "hf", vocab=VOCAB)
    limits = {"read": 1e10, "triad": 1e10, "operations": {"int8": 1e15, "bf16": 1e15, "fp32": 1e15}}
    facts = {"run": "1", "machine": "a machine", "threads": 2, "samples": 3, "limits": limits}
    alone = {"transformers bf16": _cell("transformers", "bf16", 5.0)}
    cells = {
        "sibao int8": _cell("sibao", "int8", 800.0, check={"of": 64, "different": 2, "gap": 0.01}),
        "sibao int4": _cell("sibao", "int4", 900.0),
        "transformers bf16": _cell("transformers", "bf16", 40.0),
        "llama q8_0": _cell("llama", "q8_0", 400.0),
        "llama q4_0": _cell("llama", "q4_0", None),
    }
    results = {"qwen3/decode-1": {**facts, "cells": alone}, "qwen3/decode-16": {**facts, "cells": cells}}
    rows = [re.split(r" *\| *", line.strip("| ")) for line in bench.table(results) if "at once" in line]
    assert [row[2] for row in rows] == ["int8", "int4"]
    assert rows[0][0] == shapes.SHAPES["qwen3"].title
    assert rows[0][3:7] == [
        "800 tokens/s",
        "50%",
        "bf16 40 (**20.00×**); one by one bf16 5 (**160.00×**)",
        "q8_0 400 (**2.00×**)",
    ]
    assert "2 of 64 checked" in rows[0][-1]
    assert rows[1][6] == "q4_0 not run: why"
    assert bench.table({}) == []


def test_guesses_that_change_a_text_are_not_timed(bench: ModuleType) -> None:
    plan, measure = importlib.import_module("engines.plan"), importlib.import_module("engines.measure")
    engines = [measure.Engine(plan.sibao("int8")), measure.Engine(plan.sibao("int8", plan.GUESSING, speculate=True))]
    same: dict[str, Any] = {engine.variant.name: {} for engine in engines}
    measure.compare(engines, same, {name: ["一", "二"] for name in same})
    assert all("not_run" not in cell for cell in same.values())
    measure.compare(engines, same, {"sibao int8": ["一", "二"], "sibao int8 speculation": ["一", "三"]})
    assert same["sibao int8 speculation"]["not_run"].startswith("1 of 2")


def test_the_tokenizer_names_every_id_and_reads_as_before(bench: ModuleType, tmp_path: Path) -> None:
    from sibao.text.tokenizer import Tokenizer

    source, target = tiny_folder(tmp_path / "source"), tmp_path / "target"
    target.mkdir()
    importlib.import_module("engines.shapes").write_tokenizer(source, target, 1000)
    names = json.loads((target / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert set(range(1000)) >= set(names.values()) >= set(range(500, 1000)) and names["<pad>"] == 999
    text = "春眠不觉晓，a quick fox"
    assert Tokenizer.load(target).encode(text) == Tokenizer.load(source).encode(text)


def test_rows_are_real_and_whole(bench: ModuleType) -> None:
    rows = importlib.import_module("engines.rows")
    four, others = rows.four_choices(200, 0), rows.four_choices(200, 1)
    assert len(four) == 200 and four == rows.four_choices(200, 0)
    assert all(a[0][:60] != b[0][:60] for a, b in zip(four, others, strict=True))
    assert all(len(set(choices)) == 4 and context.count("\n\n") == 5 for context, choices in four)
    assert all({"context", "question"} == set(row) for row in rows.passages("answer"))
    passages = [row["text"] for row in rows.passages("summarize")]
    assert len(set(passages)) == len(passages) > 10 and any("的" in text for text in passages)


def test_plan_page_and_installer_know_the_same_things(bench: ModuleType) -> None:
    plan = importlib.import_module("engines.plan")
    lines = {
        (j.shape.name, w.name, f"{v.weights} {v.label}".strip())
        for j in plan.jobs()
        for w in j.works
        for v in j.variants
    }
    assert set(plan.WANTED) <= lines
    peers = {v.peer for job in plan.jobs() for v in job.variants} - {"sibao"}
    script = (ROOT / "scripts" / "peers.sh").read_text(encoding="utf-8")
    assert set(re.findall(r"^    (\w+)\) echo", script, re.M)) == peers
    assert {f"run_{peer}" for peer in peers | {"sibao"}} == {
        p.stem for p in (ROOT / "bench" / "peers").glob("run_*.py")
    }
    assert subprocess.run(["sh", "-n", str(ROOT / "scripts" / "peers.sh")], check=False).returncode == 0
    assert re.search(r"<!-- engine -->.*?<!-- end -->", bench.PAGE.read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--peers", "lama"], "no peer"),
        (["--only", "qwen9"], "nothing is called"),
        (["--quick", "--write"], "measures nothing"),
    ],
)
def test_wrong_words_are_refused(
    bench: ModuleType, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        bench.arguments(words)
    assert said in capsys.readouterr().err


def test_a_part_can_be_asked_for(bench: ModuleType) -> None:
    plan = importlib.import_module("engines.plan")
    jobs = plan.chosen(["*/score", "qwen3/decode-1"], ["llama"])
    assert [(job.shape.name, [w.name for w in job.works]) for job in jobs] == [
        ("qwen3", ["decode-1"]), ("gpt2", ["score"]), ("mini", ["score"])
    ]  # fmt: skip
    assert {v.peer for job in jobs for v in job.variants} == {"sibao", "llama"}
