"""Evaluation end to end on models that ship: what is stored, compared, missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.models import Reader
from tests.tiny import tiny_folder

from sibao.core.errors import BadInput, DataError, ProviderError
from sibao.core.prices import Price
from sibao.core.types import Completion, GenerateOptions
from sibao.evaluation.budget import Purse
from sibao.store import rows as stored
from sibao.store import runs
from sibao.workflows import _models
from sibao.workflows._models import Opening
from sibao.workflows._preview import preview_task
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


class Plain(Reader):
    """It is given the bare prompt."""

    has_template = False


def reading(monkeypatch: pytest.MonkeyPatch) -> list[Reader]:
    """A model that fails on some rows in place of any other; the list holds those opened."""
    opened: list[Reader] = []

    def make(name: str, how: Opening) -> Reader:
        opened.append(Plain(name))
        return opened[-1]

    monkeypatch.setattr(_models, "_bare", make)
    return opened


ROWS: list[dict[str, object]] = [
    {"prompt": f"say {word}", "completion": word[::-1]} for word in ("ab", "cd FAIL ef", "gh", "ij LONG kl")
]


def test_provider_errors_are_missing_never_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading(monkeypatch)
    data = write_rows(tmp_path / "rows.jsonl", ROWS)
    result = evaluate("reader", task="generate", data=[data], quiet=True)
    accuracy = next(s for s in result.scores if s.name == "accuracy")
    assert (accuracy.value, accuracy.n, accuracy.missing) == (1.0, 2, 2)
    assert [bool(r.missing) for r in stored.rows_of(result.run)] == [False, True, False, True]


def test_a_text_that_broke_off_is_missing_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Breaking(Plain):
        def generate(self, prompts: Any, options: GenerateOptions | None = None) -> list[Completion]:
            done = super().generate(prompts, options)
            return [replace(c, finish_reason="error") if c.text == "dc" else c for c in done]

    monkeypatch.setattr(_models, "_bare", lambda name, how: Breaking(name))
    rows: list[dict[str, object]] = [{"prompt": f"say {w}", "completion": w[::-1]} for w in ("ab", "cd")]
    result = evaluate("breaking", task="generate", data=[write_rows(tmp_path / "r.jsonl", rows)], quiet=True)
    accuracy = next(s for s in result.scores if s.name == "accuracy")
    assert (accuracy.value, accuracy.n, accuracy.missing) == (1.0, 1, 1)


@pytest.mark.parametrize("model", ["mock:fail-500", "mock:fail-401"])
def test_nothing_answered_is_a_failure_not_a_score(tmp_path: Path, model: str) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", PAIRS)
    with pytest.raises((BadInput, ProviderError), match=r"no row of 6 was answered: .*failed|the key is not valid"):
        evaluate(model, task="translate", data=[data], to="zh", quiet=True)
    (run,) = runs.list_runs("evaluate", model=model)
    assert run.status == "failed"


def test_what_was_answered_is_kept_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = reading(monkeypatch)
    data = write_rows(tmp_path / "rows.jsonl", ROWS)
    first, again = (evaluate("reader", task="generate", data=[data], quiet=True) for _ in range(2))
    assert first.speed.kept == 0 and first.speed.completion_tokens > 0
    assert again.speed.kept == 2 and again.speed.completion_tokens == 0
    assert [s.value for s in again.scores] == [s.value for s in first.scores]
    assert "2 answers kept from before" in again.speed.render()
    evaluate("reader", task="generate", data=[data], how=Opening(cache=False), quiet=True)
    assert opened[2].asked >= opened[0].asked > opened[1].asked


def test_one_purse_pays_for_both_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading(monkeypatch)
    monkeypatch.setattr(_models, "price_of", lambda name: Price(1e6, 1e6))
    rows: list[dict[str, object]] = [{"prompt": f"say {i:03}", "completion": "x"} for i in range(20)]
    data, purse = write_rows(tmp_path / "r.jsonl", rows), Purse(20 * 12.0)  # about what one model needs
    result = evaluate(
        "a", task="generate", data=[data], compare="b", max_tokens=5, how=Opening(purse=purse), quiet=True
    )
    assert purse.spent <= 240.0 and result.scores[0].missing == 0 and result.baseline_scores[0].missing > 10
    with pytest.raises(BadInput, match="b is paid in CNY, and the limit of 5 is in USD"):
        dear = {"a": Price(1, 1), "b": Price(1, 1, currency="CNY")}
        monkeypatch.setattr(_models, "price_of", dear.__getitem__)
        evaluate("a", task="generate", data=[data], compare="b", how=Opening(purse=Purse(5), cache=False), quiet=True)


def test_answers_in_chinese_passages_are_chinese_whatever_they_look_like(tmp_path: Path) -> None:
    passage = "NBA是北美的职业篮球联赛，创立于1946年。"
    rows: list[dict[str, object]] = [
        {"context": passage, "question": question, "answers": {"text": [answer]}}
        for question, answer in (("什么联赛？", "NBA"), ("哪一年？", "1946"), ("哪里？", "北美"))
    ]
    result = evaluate("mock:echo", task="answer", data=[write_rows(tmp_path / "qa.jsonl", rows)], quiet=True)
    assert [s.name for s in result.scores] == ["exact_match", "f1"] and result.scores[0].n == 3


def test_figures_name_their_rows(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, same = (write_rows(tmp_path / folder / "test.jsonl", PAIRS) for folder in "ab")
    signs = [
        evaluate("mock:echo", task="translate", data=[f], to="zh", quiet=True).scores[0].signature for f in (one, same)
    ]
    other = write_rows(tmp_path / "b" / "test.jsonl", PAIRS[::-1])
    signs.append(evaluate("mock:echo", task="translate", data=[other], to="zh", quiet=True).scores[0].signature)
    assert signs[0] == signs[1] != signs[2] and signs[0].startswith("data:")


def test_perplexity_of_two_models_is_compared_text_by_text(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for number, folder in enumerate(folders):
        tiny_folder(folder, family="qwen3", seed=number)
    data = write_rows(tmp_path / "t.jsonl", [{"text": f"All the world is a stage, number {i}. " * 4} for i in range(6)])
    result = evaluate(str(folders[0]), task="perplexity", data=[data], compare=str(folders[1]), quiet=True)
    value, other = (
        next(s.value for s in x if s.name == "bits_per_byte") for x in (result.scores, result.baseline_scores)
    )
    assert result.comparison["bits_per_byte"].difference == pytest.approx(value - other)
    assert result.comparison["bits_per_byte"].n == 6


def test_a_preview_of_ones_own_rows_brackets_the_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = reading(monkeypatch)
    monkeypatch.setattr(_models, "price_of", lambda name: Price(1e6, 1e6))
    rows: list[dict[str, object]] = [
        {"prompt": "say " + "x" * (i % 7) + f"{i:02}", "completion": "x"} for i in range(60)
    ]
    data = write_rows(tmp_path / "r.jsonl", rows)
    told = preview_task("reader", "generate", [data], max_tokens=5)
    assert (told.rows, told.pilot) == (60, 20) and opened[0].asked == 20
    again = preview_task(
        "reader", "generate", [data], max_tokens=5
    )  # its answers are kept, and known by what they took
    assert (again.expected, opened[1].asked) == (told.expected, 0)
    purse = Purse(1e9)
    evaluate("reader", task="generate", data=[data], max_tokens=5, how=Opening(purse=purse, cache=False), quiet=True)
    assert told.low <= purse.spent <= told.high <= told.most and 0.15 < told.shows < 0.2


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
