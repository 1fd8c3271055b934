"""Penalties, bias, shortest answers, processors and constraints against Transformers' processors and plain definitions."""

from __future__ import annotations

import gc
import math
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sibao.core.errors import BadInput
from sibao.core.types import Sampling
from sibao.engine import control, sampling
from sibao.engine.control import adjusted, prepare
from sibao.engine.job import Job
from sibao.engine.request import Request

VOCAB = 40
IDS = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=30)


def job(prompt: list[int], answer: list[int] | tuple[int, ...] = (), **settings: Any) -> Job:
    own = {key: settings.pop(key) for key in ("processors", "constraint", "stop_ids") if key in settings}
    made = Job(Request("a", prompt, Sampling(**settings), max_tokens=64, **own), sampling.make_generator(0))
    made.ids += answer
    return made


def random_logits(seed: int, rows: int = 1) -> torch.Tensor:
    return torch.randn(rows, VOCAB, generator=torch.Generator().manual_seed(seed)) * 3


@settings(max_examples=40, deadline=None)
@given(
    IDS,
    IDS,
    st.integers(0, 99),
    st.sampled_from([0.5, 1.0, 1.3]),
    st.dictionaries(st.integers(0, 39), st.floats(-5, 5)),
)
def test_bias_repetition_and_shortest_answers_equal_transformers(
    prompt: list[int], answer: list[int], seed: int, penalty: float, bias: dict[int, float]
) -> None:
    from transformers import (
        LogitsProcessorList,
        MinNewTokensLengthLogitsProcessor,
        RepetitionPenaltyLogitsProcessor,
        SequenceBiasLogitsProcessor,
    )

    logits, least = random_logits(seed), 12
    theirs = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(penalty)])
    if bias:
        theirs.insert(0, SequenceBiasLogitsProcessor([[[token], value] for token, value in bias.items()]))
    theirs.append(MinNewTokensLengthLogitsProcessor(len(prompt), least, [2, 3], device="cpu"))
    one = job(
        prompt, answer, repetition_penalty=penalty, logit_bias=tuple(bias.items()), min_tokens=least,
        stop_ids=frozenset({2, 3}),
    )  # fmt: skip
    got, failed = adjusted([one], logits)
    torch.testing.assert_close(got, theirs(torch.tensor([prompt + answer]), logits.clone()))
    assert failed == {}


@settings(max_examples=40, deadline=None)
@given(IDS, st.lists(st.integers(0, VOCAB - 1), max_size=30), st.floats(-2, 2), st.floats(-2, 2), st.integers(0, 99))
def test_presence_and_frequency_are_those_of_openai(
    prompt: list[int], answer: list[int], presence: float, frequency: float, seed: int
) -> None:
    """mu[j] - c[j] * alpha_frequency - float(c[j] > 0) * alpha_presence, c counted in the answer."""
    expected = random_logits(seed)
    for token, count in Counter(answer).items():
        expected[0, token] -= count * frequency + presence
    one = job(prompt, answer, presence_penalty=presence, frequency_penalty=frequency)
    torch.testing.assert_close(adjusted([one], random_logits(seed))[0], expected)


def test_all_penalties_follow_each_other() -> None:
    logits = random_logits(8)
    expected = logits.clone()
    expected[0, 5] += 4.0
    old = expected[0, [1, 5, 7]]
    expected[0, [1, 5, 7]] = torch.where(old < 0, old * 1.5, old / 1.5) - torch.tensor([0.0, 2.5, 1.5])
    one = job(
        [1, 7], [5, 7, 5], logit_bias=((5, 4.0),), repetition_penalty=1.5, presence_penalty=0.5, frequency_penalty=1
    )
    torch.testing.assert_close(adjusted([one], logits)[0], expected)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(IDS, st.sampled_from([0, 1, 3])), min_size=1, max_size=12), st.integers(0, 99))
def test_step_by_step_and_taken_back_equals_afresh(steps: list[tuple[list[int], int]], seed: int) -> None:
    """A job whose answer grows and shrinks has, at each step, the logits of a new job with the same answer."""
    settings_ = {"repetition_penalty": 1.2, "presence_penalty": 0.7, "frequency_penalty": -0.4}
    one, logits = job([1, 2, 3], **settings_), random_logits(seed)
    for new, back in steps:
        one.ids += new
        del one.ids[max(3, len(one.ids) - back) :]
        fresh = job([1, 2, 3], one.ids[3:][:60], **settings_)
        one.ids = list(fresh.ids)
        torch.testing.assert_close(adjusted([one], logits)[0], adjusted([fresh], logits)[0], rtol=0, atol=0)


def test_rows_do_not_touch_each_other() -> None:
    jobs = [
        job([1, 2], [3], repetition_penalty=1.4), job([1]), job([4], [4], frequency_penalty=1.0),
        job([1], min_tokens=2, stop_ids=frozenset({9})), job([2, 6], [1], logit_bias=((0, 1.0),), repetition_penalty=0.8),
    ]  # fmt: skip
    logits = random_logits(2, rows=5)
    kept = logits.clone()
    together, failed = adjusted(jobs, logits)
    assert torch.equal(logits, kept) and failed == {}
    for i, one in enumerate(jobs):
        assert torch.equal(together[i : i + 1], adjusted([one], logits[i : i + 1])[0])
    assert torch.equal(adjusted(jobs, logits, inplace=True)[0], together)
    assert torch.equal(logits, together)


def test_nothing_set_costs_no_copy() -> None:
    logits = random_logits(3, rows=2)
    assert adjusted([job([1]), job([2], temperature=1.0, top_p=0.5)], logits)[0] is logits


def test_what_is_known_of_a_job_goes_with_it() -> None:
    one = job([1, 2], presence_penalty=1.0)
    adjusted([one], random_logits(0))
    assert one in control._SEEN
    before = len(control._SEEN)
    del one
    gc.collect()
    assert len(control._SEEN) == before - 1


def test_tokens_without_a_logit_are_left_out() -> None:
    """Places of pictures may have ids beyond the head of a model that sees."""
    one = job([1, VOCAB + 3], [2, VOCAB], repetition_penalty=2.0, stop_ids=frozenset({VOCAB + 1}), min_tokens=5)
    assert torch.equal(
        adjusted([one], random_logits(1))[0], adjusted([job([1], [2], repetition_penalty=2.0)], random_logits(1))[0]
    )


class Only:
    """Allows some tokens; a mask of any length."""

    def __init__(self, *tokens: int, size: int = VOCAB) -> None:
        self.allowed = torch.zeros(size, dtype=torch.bool)
        self.allowed[list(tokens)] = True

    def mask(self, ids: list[int]) -> torch.Tensor | None:
        return self.allowed


def test_a_constraint_leaves_what_it_allows() -> None:
    logits = random_logits(4)
    got = adjusted([job([1], constraint=Only(3, 5))], logits)[0]
    assert (got[0] > -math.inf).nonzero()[:, 0].tolist() == [3, 5] and torch.equal(got[0, [3, 5]], logits[0, [3, 5]])


@pytest.mark.parametrize("size", [10, VOCAB, VOCAB + 30])
def test_a_padded_vocabulary_and_a_shorter_one(size: int) -> None:
    got = adjusted([job([1], constraint=Only(3, size - 1, size=size))], random_logits(4))[0]
    assert (got[0] > -math.inf).nonzero()[:, 0].tolist() == [3, *([size - 1] if size <= VOCAB else [])]


def test_a_constraint_has_the_last_word() -> None:
    one = job([1], constraint=Only(3), processors=(lambda ids, logits: logits.index_fill(0, torch.tensor([7]), 99.0),))
    assert sampling.choose(adjusted([one], random_logits(4))[0], [Sampling()], []) == [3]


@pytest.mark.parametrize(
    ("control", "message"),
    [
        ({"logit_bias": ((VOCAB, 1.0),)}, "BadInput: logit_bias names the token 40, the model knows 0 to 39"),
        (
            {"constraint": Only(2), "min_tokens": 3, "stop_ids": frozenset({2})},
            "complete after 1 tokens and min_tokens is 3",
        ),
        ({"processors": (lambda ids, logits: logits[:5],)}, r"returned shape (5,), wanted (40,)"),
        ({"processors": (lambda ids, logits: 1 / 0,)}, "ZeroDivisionError"),
    ],
)
def test_a_fault_is_told_and_stays_in_its_row(control: dict[str, Any], message: str) -> None:
    jobs = [job([1], [4], **control), job([1], [4], presence_penalty=1.0)]
    got, failed = adjusted(jobs, random_logits(6, rows=2))
    assert list(failed) == [0] and message in failed[0]
    assert torch.equal(got[1:], adjusted(jobs[1:], random_logits(6, rows=2)[1:])[0])


@pytest.mark.parametrize("mask", [torch.ones(VOCAB), torch.ones(2, VOCAB, dtype=torch.bool)])
def test_a_mask_of_the_wrong_kind_is_told(mask: torch.Tensor) -> None:
    constraint = Only(1)
    constraint.allowed = mask
    failed = adjusted([job([1], constraint=constraint)], random_logits(0))[1]
    assert "a constraint returned torch." in failed[0]


def test_an_empty_mask_and_nan_are_errors_of_their_rows() -> None:
    jobs = [job([1], constraint=Only()), job([1], presence_penalty=1.0), job([1], constraint=Only(3, 4))]
    logits = random_logits(0, rows=3)
    logits[1, 5] = math.nan
    got, failed = adjusted(jobs, logits)
    assert failed == {}
    chosen = sampling.choose(got, [Sampling()] * 3, [])
    assert isinstance(chosen[0], BadInput) and "not numbers" in str(chosen[1]) and chosen[2] in (3, 4)


class Told(Only):
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(1)
        self.told: list[list[int]] = []

    def prepare(self, ids: list[int]) -> None:
        self.told.append(ids)


def test_one_that_fails_when_it_is_told_is_asked_all_the_same() -> None:
    class Failing(Only):
        def prepare(self, ids: list[int]) -> None:
            raise ValueError("not now")

    row = job([1], constraint=Failing(5))
    prepare([row])
    logits, failed = adjusted([row], random_logits(0))
    assert not failed and int(logits.argmax()) == 5


def test_constraints_are_told_before_the_forward() -> None:
    told = Told()
    prepare([job([1, 2], [5, 6], constraint=told), job([1]), job([1], constraint=Only(2))])
    assert told.told == [[5, 6]]
