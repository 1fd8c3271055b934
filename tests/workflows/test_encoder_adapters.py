"""Encoders with adapters, from rows to answers: they learn, load in PEFT, are evaluated, resumed and exported."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.workflows.test_encoders import SAMPLES, STEADY, base_folder, head_recipe, losses, passages, shortened

import sibao
from sibao.core.errors import ModelError, TrainingError
from sibao.text.readers import read_rows
from sibao.training.recipe import Recipe, parse_recipe
from sibao.workflows.export import Options, export
from sibao.workflows.finetune import METHODS, finetune, recipe_for, resume

TITLES = SAMPLES / "csl_category.train.jsonl"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))


def adapter_recipe(base: Path, data: Path, steps: int, method: str, **run: Any) -> Recipe:
    """The recipe of full training for a tiny model, with the adapter that the command line makes."""
    sections = head_recipe(base, data, steps, **run).model_dump()
    sections["adapter"] = {"rank": 8, "alpha": 16.0, **(METHODS[method] or {})}
    return parse_recipe(sections)


@pytest.mark.parametrize("method", ["lora", "dora", "qlora"])
def test_labels_are_learned_with_each_adapter(method: str, tmp_path: Path) -> None:
    rows = list(read_rows(TITLES))
    texts = [row["prompt"] for row in rows]
    shape = {"classifier_pooling": "mean", "local_attention": 16, "initializer_range": 0.3}
    base = base_folder(tmp_path / "base", texts, "modernbert", **shape)
    before = (base / "model.safetensors").read_bytes()
    out = tmp_path / "adapter"
    result = finetune(adapter_recipe(base, TITLES, 45, method), quiet=True, out=out)
    counts = Counter(row["completion"] for row in rows)
    chance = -sum(n / len(rows) * math.log(n / len(rows)) for n in counts.values())
    assert result.valid_loss is not None and result.valid_loss < chance - 0.1
    learned = [t for key, t in load_file(out / "adapter_model.safetensors").items() if "lora_B" in key]
    assert len(learned) == 4 + 1 and all(t.norm() > 0.1 for t in learned)  # Wqkv, Wo, Wi, Wo and the head's dense layer
    assert (base / "model.safetensors").read_bytes() == before
    config = json.loads((out / "adapter_config.json").read_text())
    assert (config["task_type"], config["modules_to_save"], config["use_dora"]) == (
        "SEQ_CLS", ["classifier"], method == "dora"
    )  # fmt: skip
    model = sibao.load(f"{base}+{out}")
    found = model.classify(texts[:4])  # type: ignore[attr-defined]
    assert set(found[0].probabilities) == set(counts)
    assert found == sibao.load(str(out)).classify(texts[:4])  # type: ignore[attr-defined]
    want = in_peft(base, out, texts[:4])
    for one, row in zip(found, want, strict=True):
        assert list(one.probabilities.values()) == pytest.approx(row.tolist(), abs=1e-5)


@torch.no_grad()
def in_peft(base: Path, adapter: Path, texts: list[str]) -> list[torch.Tensor]:
    peft = pytest.importorskip("peft")
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    config = AutoConfig.from_pretrained(adapter, subfolder="head")
    peer = AutoModelForSequenceClassification.from_pretrained(base, config=config)
    peer = peft.PeftModel.from_pretrained(peer, str(adapter)).eval()
    dora = json.loads((adapter / "adapter_config.json").read_text())["use_dora"]
    # Transformers' own reader of adapters leaves DoRA's lengths out; PEFT itself does not
    direct = peer if dora else AutoModelForSequenceClassification.from_pretrained(adapter, config=config).eval()
    tokenizer, found = AutoTokenizer.from_pretrained(base), []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        found.append(peer(input_ids=ids).logits[0].softmax(dim=-1))
        assert torch.allclose(direct(input_ids=ids).logits[0].softmax(dim=-1), found[-1], atol=1e-5)
    return found


def test_an_adapter_with_a_head_is_evaluated_and_exported(tmp_path: Path) -> None:
    texts = [row["prompt"] for row in read_rows(TITLES)]
    base = base_folder(tmp_path / "base", texts)
    out, test = tmp_path / "adapter", SAMPLES / "csl_category.test.jsonl"
    finetune(adapter_recipe(base, TITLES, 3, "lora"), quiet=True, out=out)
    config = json.loads((out / "adapter_config.json").read_text())
    assert sorted(config["modules_to_save"]) == ["classifier", "pooler"]  # the base model has no pooler
    name = f"{base}+{out}"
    scored = sibao.evaluate(name, task="generate", data=test, limit=20, quiet=True)
    labels = {row["completion"] for row in read_rows(TITLES)}
    assert {a.result.text for a in scored.answers if a.result is not None} <= labels
    export(name, tmp_path / "merged", Options(merge=True))
    export(name, tmp_path / "alone", Options(format="adapter"))
    want = [one.probabilities for one in sibao.load(name).classify(texts[:3])]  # type: ignore[attr-defined]
    for other in (str(tmp_path / "merged"), f"{base}+{tmp_path / 'alone'}"):
        got = [one.probabilities for one in sibao.load(other).classify(texts[:3])]  # type: ignore[attr-defined]
        for one, two in zip(got, want, strict=True):
            assert one == pytest.approx(two, abs=1e-5)


def test_answers_in_passages_are_learned_with_an_adapter(tmp_path: Path) -> None:
    data, base = passages(tmp_path, 20)
    recipe = adapter_recipe(base, data, 40, "lora", rows=20, micro_rows=20)
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"valid_fraction": 0.0})})
    result = finetune(recipe, quiet=True, out=tmp_path / "out")
    seen = losses(tmp_path / "home")
    assert seen[40] < 0.7 * seen[1], seen
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["task_type"], config["modules_to_save"]) == ("QUESTION_ANS", ["qa_outputs"])
    first = next(read_rows(data))
    answer = sibao.answer(first["question"], first["context"], model=f"{base}+{tmp_path / 'out'}")
    start = answer.fields["start"]
    assert result.status == "done"
    assert start is None or first["context"][start : start + len(answer.text)] == answer.text


def labelled(folder: Path) -> tuple[Path, Path]:
    """64 real rows, and a base model for them."""
    rows = list(read_rows(TITLES))[:64]
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps({"text": r["prompt"], "label": r["completion"]}) + "\n" for r in rows))
    return base_folder(folder / "base", [r["prompt"] for r in rows]), data


def steady(base: Path, data: Path, method: str, **run: Any) -> Recipe:
    recipe = adapter_recipe(base, data, 8, method, rows=8, micro_rows=4, **run)
    return recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update=STEADY)})


@pytest.mark.parametrize("method", ["dora", "qlora"])
def test_a_resumed_adapter_goes_on_to_the_bit(method: str, tmp_path: Path) -> None:
    base, data = labelled(tmp_path)
    recipe = steady(base, data, method)
    whole = finetune(recipe, quiet=True)
    seen = losses(tmp_path / "home")
    (tmp_path / "home").rename(tmp_path / "first")
    part = finetune(shortened(recipe, 5), quiet=True)
    done = resume(part.run, steps=STEADY["steps"], quiet=True)
    assert losses(tmp_path / "home") == seen and len(seen) == STEADY["steps"]
    for name in ("adapter_model.safetensors", "adapter_config.json", "head/config.json"):
        first = tmp_path / "first" / "runs" / whole.run / "model" / name
        assert (done.folder / "model" / name).read_bytes() == first.read_bytes()


def test_a_killed_adapter_goes_on_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, data = labelled(tmp_path)
    recipe = steady(base, data, "lora", save_every=2)
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "first"))
    finetune(recipe, quiet=True)
    seen = losses(tmp_path / "first")
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json())
    code = (
        "import pathlib, sys; from sibao.training.recipe import Recipe; from sibao.workflows.finetune import finetune; "
        "finetune(Recipe.model_validate_json(pathlib.Path(sys.argv[1]).read_text()), quiet=True)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "recipe.json")])
    deadline = time.monotonic() + 120
    while not list((tmp_path / "home").glob("runs/*/checkpoints/step-*/state.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (folder,) = (tmp_path / "home" / "runs").iterdir()
    assert resume(folder.name, quiet=True).status == "done"
    assert losses(tmp_path / "home") == seen


def times(folder: Path) -> dict[Path, int]:
    """When each file of a run was written; the recipe is, with the new number of steps."""
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and p.name != "recipe.json"}


def test_a_damaged_checkpoint_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    base, data = labelled(tmp_path)
    part = finetune(shortened(steady(base, data, "lora"), 5), quiet=True)
    newest = sorted(part.folder.glob("checkpoints/step-*"))[-1]
    for name in ("state.json", "optimizer.safetensors", "adapter_model.safetensors"):
        sound = (newest / name).read_bytes()
        (newest / name).write_bytes(sound[: len(sound) // 2])
        before = times(part.folder)
        with pytest.raises((TrainingError, ModelError), match=name.replace(".", r"\.")) as caught:
            resume(part.run, steps=STEADY["steps"], quiet=True)
        assert caught.value.hint
        assert times(part.folder) == before
        (newest / name).write_bytes(sound)
    assert resume(part.run, steps=STEADY["steps"], quiet=True).status == "done"


def test_full_training_stays_the_default(tmp_path: Path) -> None:
    base, data = labelled(tmp_path)
    full, lora = (recipe_for(str(base), [str(data)], method=m) for m in (None, "lora"))  # type: ignore[arg-type]
    assert full.adapter is None and lora.adapter is not None and lora.objective.name == "classify"
    assert lora.optimizer.lr == pytest.approx(10 * full.optimizer.lr)
