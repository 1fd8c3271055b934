"""Perplexity from sums, and windows that score every token exactly once."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.core.errors import BadInput, UnknownName
from sibao.metrics.perplexity import (
    Likelihood,
    Window,
    bits_per_byte,
    bits_per_character,
    byte_perplexity,
    cross_entropy,
    per_row,
    rolling_windows,
    score,
    strided_windows,
    token_perplexity,
    word_perplexity,
)

SIZES = st.integers(1, 40).flatmap(lambda length: st.tuples(st.just(length), st.integers(1, length)))


@given(st.integers(0, 300), SIZES)
def test_every_token_is_scored_exactly_once(n_tokens: int, sizes: tuple[int, int]) -> None:
    max_len, stride = sizes
    windows = list(strided_windows(n_tokens, max_len, stride))
    assert [token for window in windows for token in range(window.score_from, window.end)] == list(range(n_tokens))
    for number, (begin, end, score_from) in enumerate(windows):
        assert 0 <= begin <= score_from < end <= n_tokens
        prefix = score_from == begin
        assert prefix == (number == 0), "only the first token of the text has nothing before it"
        assert end - begin - 1 + prefix <= max_len, "the model is never fed more than it holds"
        if number:
            assert score_from - begin >= min(score_from, max_len - stride + 1), "context as promised"


@given(st.integers(0, 300), st.integers(1, 40))
def test_rolling_windows_follow_lm_eval(n_tokens: int, max_len: int) -> None:
    """The published rule: predict max_len tokens at a time; a window ends with its targets and is filled to max_len."""
    wanted, predicted = [], 0
    while predicted < n_tokens:
        end = predicted + min(n_tokens - predicted, max_len)
        wanted.append(Window(max(0, end - max_len - 1), end, predicted))
        predicted = end
    assert list(rolling_windows(n_tokens, max_len)) == wanted


def test_windows_by_hand() -> None:
    assert list(rolling_windows(10, 4)) == [(0, 4, 0), (3, 8, 4), (5, 10, 8)]
    assert list(strided_windows(10, 4, 2)) == [(0, 4, 0), (1, 6, 4), (3, 8, 6), (5, 10, 8)]
    assert list(rolling_windows(0, 4)) == []


@pytest.mark.parametrize("arguments", [(10, 4, 0), (10, 4, 5), (-1, 4, 2), (10, 0, 0)])
def test_impossible_windows_are_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(BadInput, match="wanted"):
        strided_windows(*arguments)


def test_functions_agree_with_each_other() -> None:
    text = "我 like 读书。\n再见"
    counts = Likelihood.of(text, -30.0, 9)
    assert (counts.words, counts.characters, counts.bytes) == (4, 13, 25)
    assert cross_entropy(-30.0, 9) == pytest.approx(30 / 9)
    assert token_perplexity(-30.0, 9) == pytest.approx(math.exp(30 / 9))
    assert word_perplexity(-30.0, counts.words) == pytest.approx(math.exp(7.5))
    assert math.log2(byte_perplexity(-30.0, counts.bytes)) == pytest.approx(bits_per_byte(-30.0, counts.bytes))
    assert bits_per_character(-30.0, 13) * 13 == pytest.approx(bits_per_byte(-30.0, 25) * 25)


def test_llama_figures_are_one_number_in_three_units() -> None:
    """Llama-2-7B on WikiText-2 as lm-eval prints it: byte perplexity 1.5016 is .5865 bits per byte."""
    assert math.log2(1.5016) == pytest.approx(0.5865, abs=1e-4)
    assert bits_per_byte(-1000 * math.log(1.5016), 1000) == pytest.approx(0.5865, abs=1e-4)


def test_corpus_value_weighs_texts_by_length() -> None:
    texts = [Likelihood.of("a" * 100, -10.0, 100), Likelihood.of("b", -10.0, 1)]
    assert score(texts, measure="cross_entropy").value == pytest.approx(20 / 101)
    assert per_row(texts, measure="cross_entropy") == pytest.approx([0.1, 10.0])
    assert score(texts[:1]).low is None


def test_hopeless_models_are_infinite_not_an_error() -> None:
    assert score([Likelihood.of("a", -1e6, 1)]).value == math.inf


@pytest.mark.parametrize("loglikelihood", [math.nan, -math.inf, 0.5])
def test_broken_likelihoods_are_refused(loglikelihood: float) -> None:
    with pytest.raises(BadInput, match="log-likelihood of text 0"):
        score([Likelihood.of("a", loglikelihood, 1)])


def test_meaningless_measures_are_refused() -> None:
    texts = [Likelihood.of("我们", -3.0, 2)]
    with pytest.raises(BadInput, match="means nothing in Chinese") as caught:
        score(texts, language="zh-CN", measure="word_perplexity")
    assert "bits_per_character" in caught.value.hint
    wrong: Any = "bits_per_bite"
    with pytest.raises(UnknownName, match="bits_per_bite") as unknown:
        score(texts, measure=wrong)
    assert "bits_per_byte" in unknown.value.hint
    with pytest.raises(BadInput, match="got 0 bytes"):
        score([Likelihood.of("", -1.0, 1)], measure="bits_per_byte")
