"""Every way of fine-tuning learns something real: adapters on the disciplines of papers, preferences on preferences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.tiny import tiny_folder

import sibao
from sibao.core.errors import ConfigError, DataError
from sibao.models.folder import load_network
from sibao.nn.quantized import freeze_base
from sibao.providers.load import load
from sibao.training.recipe import Recipe, parse_recipe
from sibao.workflows import finetune as ft

SAMPLES = Path(sibao.__file__).parent / "samples"
TITLES, PREFERENCES = SAMPLES / "csl_category.train.jsonl", SAMPLES / "preferences.jsonl"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    return tiny_folder(tmp_path / "base", context=160)


def recipe(base: Path, data: dict[str, Any], **more: dict[str, Any] | None) -> Recipe:
    sections: dict[str, Any] = {
        "model": {"base": str(base)},
        "data": {"sequence_length": 160, "too_long": "skip", "valid_fraction": 0, **data},
        "objective": {"name": "sft"},
        "adapter": {"rank": 8, "alpha": 16},
        "optimizer": {"lr": 0.02, "weight_decay": 0},
        "schedule": {"steps": 24, "warmup": 2},
        "run": {"rows": 4, "micro_rows": 4, "precision": "fp32", "save_every": 100, "threads": 1, "seed": 1},
    }
    for name, keys in more.items():
        sections[name] = None if keys is None else {**(sections[name] or {}), **keys}
    return parse_recipe({k: v for k, v in sections.items() if v is not None})


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def steps(folder: Path) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in e.items() if k not in ("tokens_per_second", "joules")} for e in log(folder) if "loss" in e
    ]


METHODS: dict[str, dict[str, Any] | None] = {
    "lora": {}, "dora": {"dora": True}, "rslora": {"rslora": True}, "qlora": {"base_precision": "nf4"}, "full": None,
}  # fmt: skip


def test_frozen_layers_kept_in_bf16_change_no_number_of_a_bf16_run(base: Path) -> None:
    runs = [
        ft.finetune(
            recipe(
                base, {"train": [{"path": str(TITLES), "rows": 40}]}, adapter={"base_precision": kept},
                schedule={"steps": 4}, run={"precision": "bf16"},
            ),
            quiet=True,
        )
        for kept in ("auto", "fp32")
    ]  # fmt: skip
    assert steps(runs[0].folder) == steps(runs[1].folder)
    files = [load_file(run.model / "adapter_model.safetensors") for run in runs]
    assert all(torch.equal(tensor, files[1][name]) for name, tensor in files[0].items())
    model = load_network(base)
    freeze_base(model, "auto", "bf16")
    kept = {name: p.dtype for name, p in model.named_parameters()}
    assert kept["layers.0.mlp.up_proj.weight"] == torch.bfloat16
    assert kept["norm.weight"] == kept["embed_tokens.weight"] == torch.float32


@pytest.mark.parametrize("method", METHODS)
def test_each_method_learns_the_disciplines(base: Path, method: str) -> None:
    data = {"train": [{"path": str(TITLES), "rows": 60}]}
    done = ft.finetune(recipe(base, data, adapter=METHODS[method]), quiet=True)
    losses = [entry["loss"] for entry in steps(done.folder)]
    assert sum(losses[-4:]) < 0.6 * sum(losses[:2]) * 2
    assert done.model is not None
    saved = json.loads((done.model / ("config.json" if method == "full" else "adapter_config.json")).read_text())
    assert saved.get("use_dora", False) is (method == "dora")
    assert load(str(done.model)).name == str(done.model)


def test_preferences_are_learned(base: Path) -> None:
    """Of 60 real pairs, half Chinese: the chosen answer is ahead in nearly all of them at the end."""
    more = {"objective": {"name": "dpo"}, "schedule": {"steps": 80}, "optimizer": {"lr": 0.01}, "run": {"rows": 6}}
    data = {"train": [str(PREFERENCES)], "valid": [str(PREFERENCES)]}
    done = ft.finetune(recipe(base, data, **more), quiet=True)
    seen = steps(done.folder)
    assert seen[0]["loss"] == pytest.approx(0.693, abs=0.01), "the model began elsewhere than its reference"
    last = [entry for entry in log(done.folder) if "valid_loss" in entry][-1]
    assert last["valid_accuracy"] > 0.9 and last["valid_margin"] > 0.5 > abs(seen[0]["margin"])
    assert last["valid_loss"] < 0.5 * seen[0]["loss"]


@pytest.mark.parametrize("adapter", [{"base_precision": "nf4", "dora": True, "dropout": 0.1}, None])
def test_preferences_stopped_and_resumed_are_the_same_to_the_bit(base: Path, adapter: dict[str, Any] | None) -> None:
    more = {
        "objective": {"name": "dpo"}, "adapter": adapter, "optimizer": {"lr": 0.003},
        "schedule": {"name": "wsd", "decay": 0}, "run": {"rows": 2, "micro_rows": 1, "eval_every": 2, "save_every": 2},
    }  # fmt: skip
    data = {"train": [{"path": str(PREFERENCES), "rows": 24}], "valid_fraction": 0.2}

    def made(count: int) -> Recipe:
        sections = {**more, "schedule": {**more["schedule"], "steps": count}}  # type: ignore[dict-item]
        return recipe(base, data, **sections)  # type: ignore[arg-type]

    whole = ft.finetune(made(6), quiet=True)
    part = ft.finetune(made(4), quiet=True)
    done = ft.resume(part.run, steps=6, quiet=True)
    assert steps(done.folder) == steps(whole.folder)
    evaluated = [e for e in log(whole.folder) if "valid_loss" in e]
    assert evaluated and all("valid_accuracy" in e and "valid_margin" in e for e in evaluated)
    assert whole.model is not None and done.model is not None
    name = "model.safetensors" if adapter is None else "adapter_model.safetensors"
    assert (whole.model / name).read_bytes() == (done.model / name).read_bytes()


def test_a_run_that_never_had_a_checkpoint_begins_again(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = recipe(base, {"train": [{"path": str(TITLES), "rows": 20}]}, schedule={"steps": 3})
    whole = ft.finetune(made, quiet=True)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sibao.training.checkpoint.save", killed)
        with pytest.raises(KeyboardInterrupt):
            ft.finetune(made, quiet=True)
    home = whole.folder.parent
    (left,) = [p for p in home.iterdir() if p != whole.folder]
    assert steps(ft.resume(left.name, quiet=True).folder) == steps(whole.folder)


def test_rows_are_held_out_by_the_recipe(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"{i}?", "completion": str(i)}) + "\n" for i in range(20)))
    made = recipe(base, {"train": [str(data)], "valid_fraction": 0.1}, schedule={"steps": 1})
    done = ft.finetune(made, quiet=True)
    sizes = [
        json.loads((done.folder / "tokens" / n / "meta.json").read_text())["documents"] for n in ("train", "valid")
    ]
    assert sizes == [18, 2] and done.valid_loss is not None
    few = ft.finetune(recipe(base, {"train": [str(data)], "valid_fraction": 0.02}, schedule={"steps": 1}))
    assert few.valid_loss is None and "no validation: the data hold fewer than 50 rows" in capsys.readouterr().err


def test_rows_of_another_kind_are_refused_with_their_place(base: Path) -> None:
    with pytest.raises(DataError, match=r"csl_category\.train\.jsonl:1.* wanted a preference"):
        ft.finetune(recipe(base, {"train": [str(TITLES)]}, objective={"name": "dpo"}), quiet=True)
    with pytest.raises(DataError, match=r"preferences\.jsonl:1.* no one target"):
        ft.finetune(recipe(base, {"train": [str(PREFERENCES)]}), quiet=True)
    odd = {"name": "dpo", "preference_loss": "ipo", "label_smoothing": 0.1}
    with pytest.raises(ConfigError, match="label_smoothing"):
        ft.finetune(recipe(base, {"train": [str(PREFERENCES)]}, objective=odd), quiet=True)


def test_recipe_for_knows_preferences_and_methods(base: Path) -> None:
    assert ft.recipe_for(str(base), [str(PREFERENCES)]).objective.name == "dpo"
    made = ft.recipe_for(str(base), [str(TITLES)], method="qlora", rank=4)
    assert made.objective.name == "sft" and made.adapter is not None
    assert (made.adapter.base_precision, made.adapter.rank, made.adapter.alpha) == ("nf4", 4, 8)
    assert ft.recipe_for(str(base), [str(TITLES)], method="full").adapter is None


def test_the_four_bit_base_is_what_the_run_holds(base: Path) -> None:
    from sibao.nn.lora import adapted
    from sibao.nn.quantized import NF4Linear

    made = recipe(base, {"train": [str(TITLES)]}, adapter={"base_precision": "nf4"})
    model = ft._parts(made).model
    assert sum(isinstance(m, NF4Linear) for m in model.modules()) == 14 and not adapted(model)
    assert model.get_parameter("embed_tokens.weight").dtype == torch.float32
