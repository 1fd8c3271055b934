"""Evaluation end to end on models that ship: what is stored, compared, missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.tiny import tiny_folder

from sibao.core.errors import BadInput, DataError
from sibao.store import rows as stored
from sibao.store import runs
from sibao.workflows.evaluate import evaluate

PAIRS = [{"translation": {"en": f"I read book {i}.", "zh": f"我读第{i}本书。"}} for i in range(6)]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))


def write_rows(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return str(path)


def test_scores_rows_and_run_are_stored(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", PAIRS)
    result = evaluate("mock:echo", task="translate", data=[data], to="zh", quiet=True)
    assert [s.name for s in result.scores] == ["bleu", "chrf"]
    assert all(s.n == 6 and s.missing == 0 and "task:translate.v1" in s.signature for s in result.scores)
    kept = runs.scores_of(result.run)
    assert [s.value for s in kept] == [s.value for s in result.scores]
    assert runs.get_run(result.run).status == "done"
    rows = list(stored.rows_of(result.run))
    assert [r.row for r in rows] == list(range(6)) and set(rows[0].metrics) == {"bleu", "chrf"}


def test_provider_errors_are_missing_never_wrong(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", PAIRS)
    result = evaluate("mock:fail-500", task="translate", data=[data], to="zh", quiet=True)
    assert all(s.missing == 6 and s.n == 0 for s in result.scores)
    assert all(r.missing and r.prediction is None for r in stored.rows_of(result.run))


def test_comparison_is_paired_and_says_not_distinguishable(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", PAIRS)
    result = evaluate("mock:echo", task="translate", data=[data], to="en", compare="mock:echo", quiet=True)
    assert {c.verdict for c in result.comparison.values()} == {"not distinguishable"}
    assert all(c.difference == 0 for c in result.comparison.values())


def test_closed_answers_have_a_chance_line(tmp_path: Path) -> None:
    rows = [{"prompt": f"n{i}", "completion": "a" if i % 4 else "b"} for i in range(20)]
    result = evaluate("mock:echo", task="generate", data=[write_rows(tmp_path / "r.jsonl", rows)], quiet=True)
    accuracy = next(s for s in result.scores if s.name == "accuracy")
    assert accuracy.chance == 0.75 and accuracy.value == 0


def test_perplexity_by_language(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    tiny_folder(folder, family="qwen3")
    data = write_rows(
        tmp_path / "t.jsonl", [{"text": "天地玄黄，宇宙洪荒。" * 9}, {"text": "All the world is a stage. " * 9}]
    )
    result = evaluate(str(folder), task="perplexity", data=[data], quiet=True)
    names = {s.name for s in result.scores}
    assert {"bits_per_byte/zh", "bits_per_byte/en", "word_perplexity/en"} <= names and "word_perplexity/zh" not in names
    assert all(s.value > 0 for s in result.scores)


def test_bad_rows_are_named(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", [*PAIRS, {"translation": {"en": "only one side"}}])
    with pytest.raises((DataError, BadInput), match=r"pairs\.jsonl:7|zh"):
        evaluate("mock:echo", task="translate", data=[data], to="en", quiet=True)
    with pytest.raises(BadInput, match="no token probabilities"):
        evaluate("mock:echo", task="perplexity", data=[write_rows(tmp_path / "t.jsonl", [{"text": "x"}])], quiet=True)


def test_limit(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", PAIRS)
    result = evaluate("mock:echo", task="translate", data=[data], to="zh", limit=2, quiet=True)
    assert result.scores[0].n == 2
