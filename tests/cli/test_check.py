"""``sibao check`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.workflows.check_folders import copy, edit, healthy_folder

from sibao.cli._schema_check import CheckOut


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy model; read only."""
    return healthy_folder(tmp_path_factory.mktemp("check") / "qwen3", "qwen3")


def test_one_json_object_as_promised(run_json: Any, folder: Path) -> None:
    found = run_json("check", str(folder), "--tokens", "4")
    CheckOut.model_validate(found)
    assert found["ok"] and found["kind"] == "decoder"
    tokens = found["samples"][0]["tokens"]
    assert {"id": 2, "token": "<|im_end|>", "loss": True} in tokens and not tokens[0]["loss"]
    assert len({tuple(b["token_ids"]) for b in found["backends"]}) == 1


def test_what_disagrees_gives_exit_1_with_the_reason(run: Any, folder: Path, tmp_path: Path) -> None:
    broken = copy(folder, tmp_path / "broken")
    edit(broken / "tokenizer_config.json", pad_token="<|im_end|>")
    done = run("check", str(broken), "--tokens", "4", "--quiet")
    assert done.exit_code == 1
    assert "✗ FAIL" in done.stdout and "hint:" in done.stdout and "disagree: pad" in done.stdout
    shown = run("check", str(broken), "--tokens", "4", "--json")
    assert shown.exit_code == 1
    assert [f["name"] for f in json.loads(shown.stdout)["findings"] if f["status"] == "fail"] == ["pad"]
    assert run("check", str(broken), "--tokens", "4", "--quiet", "--accept", "pad").exit_code == 0


def test_chinese_stays_whole_and_loss_is_marked_without_colours(run: Any, folder: Path) -> None:
    done = run("check", str(folder), "--tokens", "4", "--quiet")
    assert done.exit_code == 0
    assert "\ufffd" not in done.stdout.partition("one prompt")[0]
    assert "⟦一│加│一│等│于│二│。│<|im_end|>⟧" in done.stdout
    assert "\033[" not in done.stdout


def test_bad_input_is_exit_2(run: Any) -> None:
    assert run("check", "not-there").exit_code == 2
    assert run("check", "mock:echo").exit_code == 2
