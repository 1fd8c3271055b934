"""Fine-tuning: real small models, real rows; adapters in PEFT's format; resume to the bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.tiny import tiny_folder

from sibao.core.errors import BadInput, ConfigError, DataError
from sibao.models.folder import load_model
from sibao.models.names import resolve
from sibao.providers.load import load
from sibao.training.recipe import Recipe, parse_recipe
from sibao.workflows import finetune as ft

ROWS = [{"prompt": f"颜色{i}?", "completion": "红" if i % 2 else "blue"} for i in range(24)]


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    folder = tmp_path / "base"
    tiny_folder(folder, family="qwen3")
    return folder


def write_rows(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return str(path)


def recipe(base: Path, rows: str, steps: int = 4, **more: object) -> Recipe:
    sections = {
        "model": {"base": str(base)},
        "data": {"train": [rows], "sequence_length": 64},
        "objective": {"name": "sft"},
        "adapter": {"rank": 4, "alpha": 8, "dropout": 0.1},
        "optimizer": {"lr": 0.01},
        "schedule": {"steps": steps, "warmup": 1, "name": "wsd", "decay": 0},
        "run": {"rows": 2, "micro_rows": 1, "precision": "fp32", "save_every": 2, "seed": 3, "threads": 1},
    } | more
    return parse_recipe({k: v for k, v in sections.items() if v is not None})


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def test_adapter_is_peft_and_gives_the_same_logits_there(base: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    result = ft.finetune(recipe(base, write_rows(tmp_path / "rows.jsonl", ROWS)), quiet=True)
    assert result.status == "done" and result.model is not None
    theirs = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(result.model)).eval()
    ours = load(f"{base}+{result.model}")
    ids = torch.tensor([[5, 9, 33, 60, 2]])
    with torch.no_grad():
        mine = ours.engine.model.logits(ours.engine.model(ids))  # type: ignore[attr-defined]
        plain = load_model(base).float()
        assert (theirs(ids).logits - mine).abs().max() < 1e-4
        assert (plain.logits(plain(ids)) - mine).abs().max() > 1e-3, "the adapter changed nothing"
    assert resolve(str(result.model)).folder == base


def test_loss_falls_and_masks_the_prompt(base: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", ROWS)
    result = ft.finetune(recipe(base, data, steps=40, adapter=None), quiet=True)
    seen = losses(result.folder)
    assert sum(seen[-5:]) < 0.5 * sum(seen[:5])


def test_stopped_and_resumed_equals_uninterrupted_to_the_bit(base: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", ROWS)
    whole = ft.finetune(recipe(base, data, steps=8), quiet=True)
    part = ft.finetune(recipe(base, data, steps=4), quiet=True)
    done = ft.resume(part.run, steps=8, quiet=True)
    assert losses(done.folder) == losses(whole.folder)
    first, second = (load(f"{base}+{r.model}") for r in (whole, done))
    for a, b in zip(first.engine.model.parameters(), second.engine.model.parameters(), strict=True):  # type: ignore[attr-defined]
        assert torch.equal(a, b)


def test_rows_without_target_are_refused_with_their_place(base: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", [*ROWS, {"prompt": "no answer here", "completion": ""}])
    with pytest.raises(DataError, match=r"rows\.jsonl:25") as error:
        ft.finetune(recipe(base, data), quiet=True)
    assert error.value.exit_code == 2


def test_too_long_rows_are_refused_or_counted(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_rows(tmp_path / "rows.jsonl", [*ROWS, {"prompt": "长" * 300, "completion": "是"}])
    with pytest.raises(DataError, match=r"sequence_length is 64"):
        ft.finetune(recipe(base, data), quiet=True)
    ft.finetune(recipe(base, data, data={"train": [data], "sequence_length": 64, "too_long": "skip"}), quiet=False)
    assert "left out: 1 examples longer than 64 tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"family": "qwen3"}}, "names the model to start from"),
        ({"objective": {"name": "causal"}}, "has the objective sft"),
        ({"adapter": {"targets": ["c_attn"]}}, "no layer named c_attn"),
    ],
)
def test_recipes_that_cannot_be(base: Path, tmp_path: Path, change: dict[str, object], message: str) -> None:
    data = write_rows(tmp_path / "rows.jsonl", ROWS)
    with pytest.raises(BadInput, match=message):
        ft.finetune(recipe(base, data, **change), quiet=True)


def test_context_longer_than_the_model_is_refused(base: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", ROWS)
    with pytest.raises(ConfigError, match="the model holds"):
        ft.finetune(recipe(base, data, data={"train": [data], "sequence_length": 100_000}), quiet=True)
