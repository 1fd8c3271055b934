"""The model card of an export: what the hub would read of it, and the scores of the store in it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import EvalResult, ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results
from tests.tiny import tiny_folder

from sibao.core.types import Score
from sibao.store.runs import add_scores, create_run, finish_run
from sibao.workflows._export_scores import scores_of_model
from sibao.workflows.export import Options, export

OWN_CARD = """---
license: cc-by-sa-4.0
language: [zh, en]
datasets: [tatoeba]
tags: [verse]
model-index:
- name: older
  results:
  - task: {type: translation}
    dataset: {name: wmt, type: wmt}
    metrics:
    - {type: bleu, value: 21.5}
---
# 诗

写诗的模型。
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))


def evaluated(model: str, recipe: dict[str, Any], scores: list[Score], status: Any = "done") -> str:
    """A recorded evaluation."""
    run = create_run("evaluate", model, recipe)
    add_scores(run, scores)
    finish_run(run, status)
    return run


def chrf(value: float, **fields: Any) -> Score:
    """A score as the harness gives it."""
    return Score("chrf", value, value - 1, value + 1, n=250, chance=0.4, signature="chrf|nc:6|sibao:0.1.0", **fields)


def results(folder: Path) -> list[EvalResult]:
    """The model-index as the hub reads it."""
    data = ModelCard.load(folder / "README.md").data.to_dict()
    return model_index_to_eval_results(data["model-index"])[1] if "model-index" in data else []


def test_scores_of_the_store_stand_in_the_index_and_in_the_text(tmp_path: Path) -> None:
    model = tiny_folder(tmp_path / "model")
    recipe = {"task": "translate", "data": ["/data/对照.jsonl"], "to": "en", "limit": 250, "compare": None}
    evaluated(str(model), recipe, [chrf(30.25, missing=2)])
    evaluated(str(tmp_path / "other"), recipe, [chrf(99.0)])
    done = export(str(model), tmp_path / "out")
    assert done.scores == 1
    (found,) = results(tmp_path / "out")
    assert (found.task_type, found.metric_type, found.metric_value) == ("translation", "chrf", 30.25)
    assert found.dataset_name == "对照.jsonl (to en) (first 250)" and found.verified is False
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| translate |"))
    for part in ("30.25", "29.25 to 31.25 (95%)", "0.4", "250 (+2 missing)", "chrf\\|nc:6\\|sibao:0.1.0"):
        assert part in row
    assert "99" not in row and "/data" not in text


def test_the_newest_evaluation_of_the_same_rows_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_folder(tmp_path / "model")
    recipe = {"task": "translate", "data": ["a.jsonl"], "to": "zh"}
    evaluated(str(model), recipe, [chrf(10.0), Score("bleu", 3.0, signature="bleu|sibao:0.1.0")])
    monkeypatch.chdir(tmp_path)
    newest = evaluated("./model", recipe, [chrf(20.0)])  # the same folder by another name
    evaluated(str(model), recipe, [chrf(30.0)], status="failed")
    evaluated(str(model), {**recipe, "data": ["b.jsonl"]}, [chrf(40.0), Score("f1", math.nan)])
    found = scores_of_model([str(model)])
    assert [(m.dataset, m.score.name, m.score.value) for m in found] == [
        ("a.jsonl (to zh)", "bleu", 3.0), ("a.jsonl (to zh)", "chrf", 20.0), ("b.jsonl (to zh)", "chrf", 40.0),
    ]  # fmt: skip
    assert found[1].run == newest


def test_the_models_own_card_goes_along(tmp_path: Path) -> None:
    model = tiny_folder(tmp_path / "model")
    (model / "README.md").write_text(OWN_CARD, encoding="utf-8")
    evaluated(str(model), {"task": "answer", "data": ["cmrc.json"]}, [Score("f1", 0.5, 0.4, 0.6, n=9)])
    export(str(model), tmp_path / "out", Options(name="诗人"))
    card = ModelCard.load(tmp_path / "out" / "README.md")
    data = card.data.to_dict()
    assert data["license"] == "cc-by-sa-4.0" and data["language"] == ["zh", "en"] and data["datasets"] == ["tatoeba"]
    assert data["library_name"] == "transformers" and data["pipeline_tag"] == "text-generation"
    assert {"verse", "sibao", "qwen3"} <= set(data["tags"]) and data["model-index"][0]["name"] == "诗人"
    assert {(r.metric_type, r.metric_value) for r in results(tmp_path / "out")} == {("f1", 0.5), ("bleu", 21.5)}
    assert "写诗的模型。" in card.text and card.text.strip().startswith("# 诗人")


def test_scores_of_a_base_are_not_those_of_what_was_made_of_it(tmp_path: Path) -> None:
    model = tiny_folder(tmp_path / "model")
    (model / "README.md").write_text(OWN_CARD, encoding="utf-8")
    done = export(str(model), tmp_path / "out", Options(format="gguf", precision="fp16"))
    data = ModelCard.load(tmp_path / "out" / "README.md").data.to_dict()
    assert done.scores == 0 and "model-index" not in data
    assert data["library_name"] == "gguf" and data["license"] == "cc-by-sa-4.0"


def test_a_card_that_cannot_be_read_and_a_licence_that_is_not_known(tmp_path: Path) -> None:
    model = tiny_folder(tmp_path / "model")
    (model / "README.md").write_text("---\n: : {\n---\n", encoding="utf-8")
    export(str(model), tmp_path / "out")
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.license == "unknown" and "Look it up where the model came from" in card.text
    assert "No evaluation of this model is recorded" in card.text and "base_model" not in card.data.to_dict()
