"""`sibao choose` on the command line: the contract of its JSON, its files, and mistakes as messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sibao.workflows._schema_choose import ChooseImportOut, ChooseListOut, ChooseOut

Run = Callable[..., Any]
MODELS = ("--model", "mock:echo", "--model", "mock:empty")


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "rows.jsonl"
    rows = [{"prompt": f"第{i}句", "completion": f"第{i}句"} for i in range(60)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_the_object_is_the_one_of_the_contract(run_json: Run, data: str) -> None:
    found = ChooseOut.model_validate(run_json("choose", "--data", data, *MODELS, "--quiet"))
    assert found.model == found.pick.name == "mock:echo" and found.race is not None and found.race.stopped == "one left"


def test_people_see_the_pick_and_get_files(run: Run, data: str, tmp_path: Path) -> None:
    prices = ("--price", "mock:echo=2,2", "--price", "mock:empty=1,1")
    files = ("--html", str(tmp_path / "c.html"), "--plot", str(tmp_path / "c.svg"))
    done = run("choose", "--data", data, *MODELS, *prices, *files, "--quiet", "--weight", "cost=1")
    assert done.exit_code == 0, done.stderr
    assert "Pick: mock:echo" in done.stdout and "c.html" in done.stderr
    assert (tmp_path / "c.html").is_file() and (tmp_path / "c.svg").is_file()


def test_each_model_has_its_precision(run: Run, data: str) -> None:
    done = run("choose", "--data", data, *MODELS, "--precision", "auto", "--precision", "auto", "--json", "--quiet")
    assert done.exit_code == 0
    done = run("choose", "--data", data, *MODELS, *(["--precision", "auto"] * 3), "--json")
    assert done.exit_code == 2 and "3 --precision for 2 --model" in json.loads(done.stdout)["error"]["message"]


def test_a_need_is_answered(run_json: Run, run: Run) -> None:
    found = ChooseOut.model_validate(run_json("choose", "--need", "summarise meeting notes", "--offline"))
    assert found.task == "summarize" and found.run is None and len(found.advice) == 3
    assert "最佳应用" in run("choose", "--need", "写一首诗", "--language", "zh").stdout


def test_the_catalogue_is_listed_and_grows_by_an_import(run_json: Run, run: Run, tmp_path: Path) -> None:
    before = ChooseListOut.model_validate(run_json("choose", "--list")).catalogue
    prices = {"gpt-9": {"litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}}
    (tmp_path / "list.json").write_text(json.dumps(prices))
    taken = ("choose", "--import", str(tmp_path / "list.json"), "--read", "2026-11-01")
    assert ChooseImportOut.model_validate(run_json(*taken)).imported.taken == 1
    after = ChooseListOut.model_validate(run_json("choose", "--list")).catalogue
    assert {e["name"] for e in after} - {e["name"] for e in before} == {"openai:gpt-9"}
    assert "1 models taken (LiteLLM)" in run(*taken).stderr
    assert "openai:davinci" in run("choose", "--list").stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "neither rows nor a need"),
        (("--need", "x", "--max-size", "huge"), "--max-size"),
        (("--need", "x", "--max-memory", "4 apples"), "--max-memory"),
        (("--need", "x", "--weight", "beauty=1"), "beauty"),
        (("--need", "x", "--delta", "2"), "delta is 2"),
        (("--need", "x", "--model", "mock:echo", "--price", "mock:other=1,2"), "--price"),
        (("--import", "nowhere.json"), "cannot be read"),
        (("--import", "nowhere.json", "--read", "yesterday"), "wanted a day"),
        (("--need", "x", "--model", "nowhere"), "no model named"),
    ],
)
def test_a_mistake_is_a_message(run: Run, args: tuple[str, ...], message: str) -> None:
    done = run("choose", *args, "--json")
    assert done.exit_code == 2 and message in json.loads(done.stdout)["error"]["message"]
