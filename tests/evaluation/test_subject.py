"""What a recipe says of the rows and of the asking."""

from __future__ import annotations

from typing import Any

import pytest

from sibao.evaluation.subject import asked_otherwise, hub_task, other_rows, subject_of

SUITE = {
    "suite": "mmlu", "data": "1a2b3c4d", "sample": False, "split": "test", "shots": 0, "chat": False, "limit": 100, "seed": 0,
    "perturb": "", "precision": "auto",
}  # fmt: skip
TASK = {
    "task": "translate",
    "data": ["data/对照.jsonl"],
    "to": "en",
    "limit": 250,
    "compare": None,
    "precision": "auto",
}


def test_the_rows_in_words() -> None:
    assert subject_of(SUITE).described == "mmlu (100 rows spread evenly)" and subject_of(SUITE).name == "mmlu"
    assert subject_of(TASK).described == "对照.jsonl (to en) (first 250)" and subject_of(TASK).name == "translate"
    assert subject_of(SUITE | {"split": "dev", "limit": None}).described == "mmlu (dev)"
    assert subject_of({}).described == "unnamed" and subject_of({}).name == "generate"


@pytest.mark.parametrize(
    "first, change, said",
    [
        (SUITE, {"suite": "cmmlu"}, "suite or task: mmlu and cmmlu"),
        (SUITE, {"data": "ffffffff"}, "data: 1a2b3c4d and ffffffff"),
        (SUITE, {"split": "dev"}, "split: test and dev"),
        (SUITE, {"limit": None}, "limit: 100 and all rows, each spread"),
        (TASK, {"data": ["b.jsonl"]}, "data: 对照.jsonl and b.jsonl"),
        (TASK, {"to": "zh"}, "language translated into: en and zh"),
        (TASK, {"task": "answer"}, "suite or task: translate and answer"),
        (SUITE, {"shots": 5, "precision": "int8", "chat": True, "perturb": "typos"}, ""),
        (TASK, {"data": ["elsewhere/对照.jsonl"], "limit": 10}, ""),  # a folder moved; the first rows are the same
    ],
)
def test_other_rows_are_told_by_the_recipe(first: dict[str, Any], change: dict[str, Any], said: str) -> None:
    assert other_rows(subject_of(first), subject_of(first | change)).startswith(said)
    assert bool(other_rows(subject_of(first), subject_of(first | change))) == bool(said)


def test_what_was_asked_otherwise() -> None:
    other = SUITE | {"shots": 5, "precision": "int8", "chat": True, "perturb": "typos"}
    assert asked_otherwise(subject_of(SUITE), subject_of(other)) == [
        "shots: 0 and 5", "chat: no and yes", "precision: auto and int8", "perturb: none and typos",
    ]  # fmt: skip
    assert asked_otherwise(subject_of(SUITE), subject_of(SUITE)) == []


def test_what_the_hub_calls_it() -> None:
    assert [hub_task(name) for name in ("translate", "squad", "wikitext2", "Question Answering", "")] == [
        "translation", "question-answering", "text-generation", "question-answering", "text-generation",
    ]  # fmt: skip
