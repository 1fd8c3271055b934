"""ROUGE: the subsequence against the textbook table, units, and why Chinese needs its own."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.core.errors import BadInput
from sibao.metrics import rouge1, rougel
from sibao.metrics._rouge import PAIR, common_subsequence, ngram_f1, tokenize


def textbook_subsequence(first: str, second: str) -> int:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@given(st.text("abc我", max_size=80), st.text("abc我", max_size=80))
def test_bit_parallel_subsequence(first: str, second: str) -> None:
    assert common_subsequence(first, second) == textbook_subsequence(first, second)


def test_units() -> None:
    assert tokenize("The cat's 2 hats, naïve!", "en", "word") == ["the", "cat", "s", "2", "hats", "na", "ve"]
    assert tokenize("我 爱\n北京。", "zh", "char") == ["我", "爱", "北", "京", "。"]
    assert tokenize("我们去公园散步。", "zh", "word") == ["我们", "去", "公园", "散步", "。"]


def test_words_added_to_jieba_by_others_do_not_move_scores() -> None:
    import jieba

    before = rouge1.score(*PAIR, unit="word").value
    jieba.add_word("我们去公园散步", freq=10**9)
    try:
        assert rouge1.score(*PAIR, unit="word").value == before
    finally:
        jieba.del_word("我们去公园散步")


def test_set_counts_explain_the_other_packages_value() -> None:
    """Packages that compare sets of n-grams print .8276 for ROUGE-1 of this pair; clipped counts give .8387."""
    ours, theirs = set(PAIR[0][0]), set(PAIR[1][0][0])
    assert 2 * len(ours & theirs) / (len(ours) + len(theirs)) == pytest.approx(0.8276, abs=5e-5)
    assert ngram_f1(1)(PAIR[0][0], PAIR[1][0][0]) == pytest.approx(0.8387, abs=5e-5)


def test_texts_too_short_for_an_ngram_score_zero() -> None:
    assert ngram_f1(2)(["a"], ["a"]) == 0.0
    assert ngram_f1(1)([], []) == 0.0


def test_unit_and_language_must_fit() -> None:
    with pytest.raises(BadInput, match="unit 'char' for language 'en'"):
        rougel.score(["a"], [["a"]], language="en", unit="char")
    with pytest.raises(BadInput, match="mostly Chinese"):
        rougel.score(["我"], [["我们"]], language="en")


def test_long_summaries_are_fast() -> None:
    draw = random.Random(3)
    texts = ["".join(draw.choices("的一是不了人我在有他这中", k=600)) for _ in range(200)]
    start = time.process_time()
    rougel.score(texts, [[text[::-1]] for text in texts])
    assert time.process_time() - start < 2.0
