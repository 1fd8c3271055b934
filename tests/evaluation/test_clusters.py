"""Rows in clusters: intervals and tests that count the clusters, not the rows."""

from __future__ import annotations

import random

import pytest

from sibao.core.types import Score
from sibao.evaluation import harness
from sibao.evaluation.clusters import clustered, compare_clustered, in_clusters
from sibao.evaluation.pairing import compare_pairs, pair_rows
from sibao.evaluation.statistics import compare
from sibao.metrics import chrf
from sibao.store.rows import ResultRow
from sibao.tasks.base import TaskResult, load_task


def drawn(count: int, seed: int) -> list[float]:
    rng = random.Random(seed)
    return [rng.random() for _ in range(count)]


def test_rows_said_four_times_tell_no_more_than_once() -> None:
    a, b = drawn(30, 1), drawn(30, 2)
    once = compare(a, b)
    names = [str(n) for n in range(30) for _ in range(4)]
    fourfold = compare_clustered([v for v in a for _ in range(4)], [v for v in b for _ in range(4)], names)
    assert fourfold.difference == pytest.approx(once.difference) and fourfold.n == 120
    assert (fourfold.low, fourfold.high) == pytest.approx((once.low, once.high))
    assert fourfold.p_value == once.p_value and fourfold.test.startswith("approximate randomization of 30 clusters")
    taken_apart = compare([v for v in a for _ in range(4)], [v for v in b for _ in range(4)])
    assert taken_apart.high - taken_apart.low < 0.6 * (once.high - once.low)


def test_rows_of_no_or_single_clusters_are_compared_as_they_are() -> None:
    a, b = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    for names in ([""] * 6, list("abcdef"), ["a"] * 6, ["a", "a", "", "b", "b", "c"], []):
        assert not in_clusters(names)
        assert compare_clustered(a, b, names) == compare(a, b)
    assert compare(a, b).test == "exact McNemar"


def test_a_corpus_score_is_resampled_by_cluster() -> None:
    said = [
        "the cat sat on the mat today",
        "it rained all day in the town",
        "we went home by the last bus",
        "a red door",
    ]
    other = ["the cat sat on a mat", "it rained all of the day", "we went home by a late bus", "the red door"]
    wanted = [
        ["the cat sat on the mat"],
        ["it rained all day in town"],
        ["we went home by the last bus"],
        ["the red door"],
    ]
    a, b = (chrf.row_statistics(texts, wanted, language="en") for texts in (said, other))
    alone = compare(a, b, statistic=chrf.from_sums)
    doubled = compare_clustered([*a, *a], [*b, *b], [*"1234", *"1234"], statistic=chrf.from_sums)
    assert doubled.difference == pytest.approx(alone.difference)
    assert (doubled.low, doubled.high, doubled.p_value) == pytest.approx((alone.low, alone.high, alone.p_value))


def test_an_interval_is_that_of_the_clusters_and_says_so() -> None:
    values = [0.9, 0.9, 0.9, 0.2, 0.2, 0.2, 1.0, 1.0, 1.0]
    score = Score("f1", 0.7, 0.6, 0.8, n=9, signature="task:answer.v1|f1|lang:en|interval:t|sibao:0")
    wide = clustered(score, values, list("aaabbbccc"), 1.0)
    assert wide.signature == "task:answer.v1|f1|lang:en|interval:clustered|sibao:0"
    assert wide.low == 0.0 and wide.high == 1.0  # three passages tell next to nothing
    assert clustered(score, values, [""] * 9, 1.0) == score


def test_the_harness_and_the_store_know_clusters() -> None:
    task = load_task("answer")
    rows = [{"question": "谁？", "context": "他来了。", "answers": {"text": ["他"], "answer_start": [0]}}] * 6
    items = [
        harness.Item(item.row, item.inputs, item.references, item.language, "ab"[item.row % 2])
        for item in harness.items(task, list(enumerate(rows)))
    ]

    def answers(said: str) -> list[harness.Answered]:
        return [harness.Answered(item, TaskResult(text, "stop")) for item, text in zip(items, said, strict=True)]

    (scored,) = harness.score(task, answers("他她他她他他"), ("f1", "exact_match"))
    assert all("|interval:clustered|" in score.signature for score in scored.scores)
    compared = harness.compare_answers(task, answers("他她他她他他"), answers("她她他她他她"), ("f1",))["f1"]
    assert "2 clusters" in compared.test
    first, second = (
        [ResultRow(n, "", ["x"], {"acc": v}, "", str(n // 2)) for n, v in enumerate(values)]
        for values in ([1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0])
    )
    paired = compare_pairs(pair_rows(first, second), "acc", corpus=False)
    assert paired is not None and "2 clusters" in paired.test and paired.n == 4
