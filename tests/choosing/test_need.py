"""Needs: the labelled ones get their task, rows decide where they can, and nothing is guessed."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.choosing.advice import advice, shortlist
from sibao.choosing.catalogue import catalogue
from sibao.choosing.limits import Limits
from sibao.choosing.need import Need, classify
from sibao.core.types import Language

NEEDS = Path(__file__).parents[1] / "data" / "needs"
TODAY = date(2026, 11, 28)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))


def labelled(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (NEEDS / name).read_text(encoding="utf-8").splitlines()]


def test_nine_of_ten_labelled_needs_get_their_task() -> None:
    rows = labelled("needs.jsonl")
    assert len(rows) == 40 and sum(row["language"] == "zh" for row in rows) == 20
    wrong = [
        (row["id"], row["task"], classify(row["need"]).task)
        for row in rows
        if classify(row["need"]).task != row["task"]
    ]
    assert len(wrong) <= 4, wrong
    guessed = [one for one in wrong if one[1] == "unclear"]
    assert guessed == []  # what names no task is never given one


def test_no_need_of_one_file_stands_in_the_other() -> None:
    first, second = ({row["need"] for row in labelled(name)} for name in ("needs.jsonl", "tuning.jsonl"))
    assert not first & second and len(second) == 44


@pytest.mark.parametrize(
    ("row", "task"),
    [
        ({"translation": {"en": "a", "zh": "b"}}, "translate"),
        ({"question": "q", "context": "c", "answers": {"text": ["a"], "answer_start": [0]}}, "answer"),
        ({"document": "d", "summary": "s"}, "summarize"),
        ({"prompt": "p", "completion": "c"}, "generate"),
        ({"image": "a.png", "text": "t"}, "describe"),
    ],
)
def test_rows_decide_whatever_the_words_say(row: dict[str, Any], task: str) -> None:
    need = classify("翻译和总结，回答问题", [row, row])
    assert need.task == task and need.confidence == 1.0 and "fields" in need.why


def test_bare_texts_and_mixed_rows_leave_it_to_the_words() -> None:
    texts = [{"text": "a"}]
    assert classify("summarise these", texts).task == "summarize"
    assert classify("", texts).task == "unclear"
    mixed = [{"prompt": "p", "completion": "c"}, {"document": "d", "summary": "s"}]
    assert classify("", mixed).task == "unclear" and classify("", [{"odd": 1}]).task == "unclear"


@pytest.mark.parametrize(
    ("text", "to"),
    [
        ("把说明书翻译成英文", "en"), ("把英文论文翻译成中文", "zh"), ("translate this into Chinese", "zh"),
        ("from Chinese to English, please translate", "en"), ("translate", None), ("中英互译", None),
        ("translate what is in Chinese, we want English", None),
    ],
)  # fmt: skip
def test_the_language_to_translate_into_is_read_where_it_is_said(text: str, to: str | None) -> None:
    assert classify(text).to == to


def test_two_tasks_at_once_are_unclear() -> None:
    need = classify("summarize and translate")
    assert need.task == "unclear" and "do not decide" in need.why


@given(st.text(max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    need = classify(text)
    assert 0 <= need.confidence <= 1 and need.why
    assert need.to_json()["task"] == need.task


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("task", ["generate", "translate", "answer", "summarize", "describe"])
def test_the_guides_questions_are_answered_from_the_catalogue(task: Any, language: Language) -> None:
    sections = advice(Need(task, "翻译", 1.0), ("bleu", "chrf"), catalogue(), Limits(), language, TODAY)
    assert len(sections) == 3
    text = "\n".join(line for section in sections for line in (section.question, *section.lines))
    for word in ("openai:davinci", "google:lamda", "ai21:j1-jumbo", "sibao fit", "BLEU"):
        assert word in text
    assert ("困惑度" in text) == (language == "zh") and ("perplexity" in text) == (language == "en")
    assert f"sibao {task}" in text and "{to}" not in text


def test_an_unclear_need_is_asked_about() -> None:
    (section,) = advice(classify("hello"), (), catalogue(), Limits(), "en", TODAY)
    assert "does not name a task" in section.lines[0] and len(section.lines) == 6


def test_the_shortlist_keeps_the_limits() -> None:
    known = catalogue()
    offline = shortlist(known, "translate", Limits(offline=True, languages=("zh",), licences=("commercial",)), TODAY)
    assert "mini" in [e.name for e in offline] and all(not e.remote and e.commercial for e in offline)
    sizes = [e.parameters for e in offline if e.parameters]
    assert sizes == sorted(sizes)
    assert not {"facebook/nllb-200-distilled-600M", "google/gemma-3-1b-it"} & {e.name for e in offline}
    assert "google/gemma-3-1b-it" in [e.name for e in shortlist(known, "summarize", Limits(), TODAY)]
    everyone = shortlist(known, "generate", Limits(), TODAY)
    assert not any(e.availability == "retired" for e in everyone)
    prices = [e.price.input_per_million + e.price.output_per_million for e in everyone if e.remote and e.price]
    assert prices == sorted(prices) and len(prices) > 10
