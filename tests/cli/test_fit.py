"""`sibao fit` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tiny import tiny_config

from sibao.cli.schema import FitOut


@pytest.fixture(autouse=True)
def base(home: Path) -> None:
    """The measured share of the interpreter lies in the cache already."""
    from importlib.metadata import version

    import torch

    from sibao.core.system import machine

    key = f"python {machine().python} torch {torch.__version__} sibao {version('sibao')}"
    (home / "cache").mkdir(parents=True)
    known = {key: {"inference": 250_000_000, "training": 350_000_000}}
    (home / "cache" / "base-memory.json").write_text(json.dumps(known))


def test_the_object_is_the_one_of_the_contract(run_json: Callable[..., Any], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(tiny_config("qwen3", 400, 128)))
    found = FitOut.model_validate(run_json("fit", "--config", str(config), "--precision", "fp32"))
    assert found.context == 128 and found.inference[0].base == 250_000_000
    assert {way.name for way in found.training} == {"full, AdamW", "full, Muon", "LoRA", "DoRA", "QLoRA"}


def test_a_mistake_is_a_message(run: Callable[..., Any], tmp_path: Path) -> None:
    done = run("fit", "--config", str(tmp_path / "none"), "--json")
    assert done.exit_code == 2 and "is no file" in json.loads(done.stdout)["error"]["message"]
