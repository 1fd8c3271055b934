"""Sampling against Transformers' own warpers, and against the distribution it claims to draw from."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sibao.core.errors import BadInput, ModelError
from sibao.core.types import Sampling
from sibao.engine import sampling
from sibao.engine.request import Request

LOGITS = torch.tensor([[2.0, 1.0, 0.5, -1.0, 0.0, 1.5, -2.0, 0.9]])


def random_logits(seed: int, rows: int = 3, vocab: int = 50) -> torch.Tensor:
    return torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed)) * 3


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1000), st.sampled_from([0.3, 1.0, 1.7]), st.integers(0, 60),
    st.sampled_from([0.1, 0.6, 0.95, 1.0]), st.sampled_from([0.0, 0.05, 0.5, 1.0]),
)  # fmt: skip
def test_filters_equal_transformers(seed: int, temperature: float, k: int, p: float, low: float) -> None:
    from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = random_logits(seed)
    expected = TemperatureLogitsWarper(temperature)(None, logits)
    if k:
        expected = TopKLogitsWarper(k)(None, expected)
    if p < 1:
        expected = TopPLogitsWarper(p)(None, expected)
    if low:
        expected = MinPLogitsWarper(low)(None, expected)
    got = sampling.filtered(logits, [Sampling(temperature=temperature, top_k=k, top_p=p, min_p=low)] * 3)
    assert torch.equal(got.isinf(), expected.isinf())
    torch.testing.assert_close(got, expected)


def test_repetition_penalty_equals_transformers() -> None:
    from transformers import RepetitionPenaltyLogitsProcessor

    ids = [1, 3, 3, 6]
    expected = RepetitionPenaltyLogitsProcessor(1.3)(torch.tensor([ids]), LOGITS.clone())[0]
    torch.testing.assert_close(sampling.repetition_penalty(LOGITS[0], ids, 1.3), expected)


def test_each_row_has_its_own_settings() -> None:
    logits = LOGITS.repeat(3, 1)
    mixed = [Sampling(temperature=1.0, top_k=2), Sampling(temperature=0.5), Sampling(temperature=2.0, top_p=0.3)]
    together = sampling.filtered(logits, mixed)
    for row, setting in enumerate(mixed):
        torch.testing.assert_close(together[row], sampling.filtered(LOGITS, [setting])[0])


def test_draws_follow_the_distribution() -> None:
    """Chi-square over 8 words, 7 degrees of freedom: 24.3 is exceeded once in a thousand."""
    n = 4000
    generator = sampling.make_generator(7)
    counts = torch.zeros(8)
    for _ in range(n):
        counts[sampling.draw(LOGITS, [generator])[0]] += 1
    expected = LOGITS[0].softmax(-1) * n
    assert float(((counts - expected) ** 2 / expected).sum()) < 24.3


def test_impossible_words_are_never_drawn() -> None:
    logits = torch.full((1, 5), sampling.NEVER)
    logits[0, 3] = 0.0
    assert {sampling.draw(logits, [sampling.make_generator(s)])[0] for s in range(50)} == {3}


def test_a_row_draws_the_same_beside_others() -> None:
    logits = random_logits(3, rows=4)
    settings_ = [Sampling(temperature=1.0)] * 4
    together = sampling.choose(logits, settings_, [sampling.make_generator(s) for s in range(4)])
    alone = [sampling.choose(logits[i : i + 1], [settings_[i]], [sampling.make_generator(i)])[0] for i in range(4)]
    assert together == alone


def test_bad_rows_are_named_and_leave_the_others_alone() -> None:
    logits = LOGITS.repeat(3, 1)
    logits[0, 2] = math.nan
    logits[1] = sampling.NEVER
    got = sampling.choose(logits, [Sampling(temperature=1.0)] * 2 + [Sampling()], [sampling.make_generator(0)] * 3)
    assert isinstance(got[0], ModelError) and "not numbers" in str(got[0])
    assert isinstance(got[1], BadInput) and "no token is allowed" in str(got[1])
    assert got[2] == 0


def test_scores_are_natural_logs_of_the_raw_distribution() -> None:
    score = sampling.token_score(LOGITS[0], 4, 2)
    logprobs = LOGITS[0].log_softmax(-1)
    assert score.logprob == pytest.approx(float(logprobs[4]))
    assert [t for t, _ in score.top] == [0, 5]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (Sampling(temperature=-1), "temperature is -1, wanted 0"),
        (Sampling(temperature=math.nan), "temperature is nan"),
        (Sampling(top_k=-1), "top_k is -1"),
        (Sampling(top_p=0), "top_p is 0, wanted above 0"),
        (Sampling(top_p=1.1), "top_p is 1.1"),
        (Sampling(min_p=2), "min_p is 2"),
        (Sampling(repetition_penalty=0), "repetition_penalty is 0"),
        (Sampling(logprobs=-1), "logprobs is -1"),
    ],
)
def test_settings_out_of_range_are_refused(setting: Sampling, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Request("a", [1], setting)


def test_empty_prompts_and_no_tokens_are_refused() -> None:
    with pytest.raises(BadInput, match="'a' has an empty prompt"):
        Request("a", [])
    with pytest.raises(BadInput, match="max_tokens is 0, at least 1"):
        Request("a", [1], max_tokens=0)
