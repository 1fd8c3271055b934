"""The benchmark of evaluation: tasks that both programs read, an honest check, a table that says what was not run."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.tiny import tiny_folder

from sibao.evaluation.places import find
from sibao.evaluation.suite import RequestSuite, Setting
from sibao.evaluation.suite_index import load_suite

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    sys.modules.pop("evaluate", None)  # another package may have the name
    return importlib.import_module("evaluate")


@pytest.mark.parametrize("number", range(3))
def test_the_tasks_are_read_and_other_rows_drawn_each_time(bench: ModuleType, number: int, tmp_path: Path) -> None:
    work = bench.works(12, 16)[number]
    contexts = []
    for seed in (0, 0, 1):
        place = work.write(tmp_path / "place", 12, seed)
        suite = load_suite(str(place / "asked.yaml"))
        assert isinstance(suite, RequestSuite)
        rows = suite.read(find(suite.folder, suite.files))
        samples = suite.samples(rows, Setting(shots=suite.shots))
        assert len(samples) == 12 and all(len(s.requests) == (1 if work.name == "write" else 4) for s in samples)
        contexts.append([repr(s.requests[0]) for s in samples])
    assert contexts[0] == contexts[1] and not set(contexts[0]) & set(contexts[2])
    if work.name == "choice-5":
        assert suite.shots == 5 and all(context.count("学科：") == 6 for context in contexts[0])


def test_sibao_answers_the_runner(bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("engines.client"), "PLACE", tmp_path)
    client, files = (importlib.import_module(f"engines.{name}") for name in ("client", "files"))
    folder = tiny_folder(tmp_path / "tiny", "gpt2", context=1024)
    with client.Client("sibao", files.python_of("sibao"), 1) as sibao:
        sibao.ask("load", folder=str(folder), threads=1, precision="fp32")
        choice, _, write = bench.works(6, 8)
        told = sibao.ask("evaluate", place=str(choice.write(tmp_path / "a", 6, 0)), name="asked", batch=4)
        assert len(told["replies"]) == 6 and all(len(row) == 4 and max(row) < 0 for row in told["replies"])
        assert 0 <= told["figures"]["acc"] <= 1 and told["seconds"] > 0
        said = sibao.ask("evaluate", place=str(write.write(tmp_path / "b", 3, 0)), name="asked", batch=4)
        assert len(said["replies"]) == 3 and all(isinstance(row[0], str) for row in said["replies"])
        checked = bench.check(choice, {"sibao": sibao, "harness": sibao}, 4, tmp_path)
        assert checked == {"gap": pytest.approx(0, abs=1e-4), "likelihoods": 16, "texts": 0, "same": 0}


def test_what_differs_is_not_timed(bench: ModuleType, tmp_path: Path) -> None:
    class Told:
        def __init__(self, replies: list[list[Any]], figures: dict[str, float]) -> None:
            self.told = {"replies": replies, "figures": figures}

        def ask(self, op: str, **given: Any) -> dict[str, Any]:
            return self.told

    work, not_run = bench.works(8)[0], importlib.import_module("engines.files").NotRun
    right = Told([[-1.0, -2.0]], {"acc": 0.5})
    for other, why in (
        (Told([[-1.0, -2.01]], {"acc": 0.5}), "0.01 from"),
        (Told([[-1.0, -2.0]], {"acc": 0.25}), "acc is"),
    ):
        with pytest.raises(not_run, match=why):
            bench.check(work, {"sibao": other, "harness": right}, 4, tmp_path)
    with pytest.raises(not_run, match="acc is None"):
        bench.check(work, {"sibao": Told([[-1.0, -2.0]], {}), "harness": right}, 4, tmp_path)
    assert bench.compared([["a"], ["b"]], [["a"], ["c"]]) == {"gap": 0.0, "likelihoods": 0, "texts": 2, "same": 1}


def test_the_table(bench: ModuleType) -> None:
    facts = {"run": "1", "machine": "a machine", "threads": 2}
    done = {
        "agreement": {"gap": 2e-5, "texts": 0, "same": 0, "likelihoods": 9},
        "batch": 16,
        "medians": {"sibao": 60.0, "harness": 5.0},
    }
    results = {
        "gpt2/choice-5": {**facts, **done},
        "gpt2/write": {**facts, "not_run": "why"},
        "startup": {**facts, "seconds": [1.4], "median": 1.4},
    }
    lines = bench.table(results)
    rows = [re.split(r" *\| *", line.strip("| ")) for line in lines if line.startswith("| GPT-2")]
    assert rows[0][2:] == [
        "60 rows/s",
        "5 rows/s (batch 16)",
        "**12.00×**",
        "5×",
        "figures the same, within 2e-05 nats",
    ]
    assert rows[1][2] == "not run: why"
    assert any("1.40 s" in line for line in lines) and bench.table({}) == []
    assert re.search(r"<!-- evaluate -->.*?<!-- end -->", bench.PAGE.read_text(encoding="utf-8"), re.S)


def test_quick_writes_nothing(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.arguments(["--quick", "--write"])
    assert "measures nothing" in capsys.readouterr().err
    assert json.dumps(vars(bench.arguments([]))) == '{"only": [], "quick": false, "threads": 2, "write": false}'
