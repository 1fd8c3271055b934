"""`sibao finetune`: methods and objectives by flag."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tiny import tiny_folder

import sibao

PREFERENCES = Path(sibao.__file__).parent / "samples" / "preferences.jsonl"
Run = Callable[..., Any]


@pytest.mark.parametrize(("method", "dora"), [("dora", True), ("qlora", False)])
def test_a_method_by_name_on_preferences(run_json: Run, tmp_path: Path, method: str, dora: bool) -> None:
    base, out = tiny_folder(tmp_path / "base", context=200), tmp_path / "out"
    flags = ("--method", method, "--rank", "2", "--steps", "2", "--out", str(out), "--quiet")
    found = run_json("finetune", str(base), "--data", str(PREFERENCES), *flags)
    assert found["status"] == "done"
    assert json.loads((out / "adapter_config.json").read_text())["use_dora"] is dora
    recipe = json.loads((Path(found["folder"]) / "recipe.json").read_text())
    assert recipe["objective"]["name"] == "dpo"
    assert recipe["adapter"]["base_precision"] == ("nf4" if method == "qlora" else "auto")


def test_methods_that_cannot_be(run: Run, tmp_path: Path) -> None:
    base = tiny_folder(tmp_path / "base")
    for flags, message in [
        (("--method", "dora", "--full"), "two methods"),
        (("--method", "lorra"), "wanted lora, dora, qlora, full"),
        (("--objective", "preferences"), "objective.name"),
    ]:
        done = run("finetune", str(base), "--data", str(PREFERENCES), *flags)
        assert done.exit_code == 2 and message in done.stderr
