"""Kept answers: the same answers, asked once; a stopped run goes on; another question, option or model asks anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.models import Reader

from sibao.core.errors import ProviderError
from sibao.core.types import GenerateOptions, Sampling, Scored, Scorer
from sibao.evaluation.cached import _scored_in, _scored_out, cached
from sibao.store.responses import forget_responses


def test_the_second_time_nothing_is_asked() -> None:
    model = Reader()
    kept = cached(model, "reader#1")
    assert isinstance(kept, Scorer)
    options = GenerateOptions(max_tokens=4, stop=("x",))
    first = (kept.generate(["say 你好", "say ab"], options), kept.score([("a", "b")]), kept.score_text(["文"]))
    asked = model.asked
    again = cached(Reader(), "reader#1")
    second = (
        again.generate(["say ab", "say 你好"], options)[::-1],
        again.score([("a", "b")]),
        again.score_text(["文"]),
    )
    assert first == second
    assert (again.fresh, again.kept) == (0, 4)  # type: ignore[attr-defined]
    assert model.asked == asked == 4


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": 5},
        {"stop": ("y",)},
        {"sampling": Sampling(repetition_penalty=1.1)},
        {"response_format": {"type": "json_object"}},
    ],
)
def test_any_option_asks_anew(change: dict[str, object]) -> None:
    model = Reader()
    kept = cached(model, f"reader#2 {sorted(change)}")
    options = GenerateOptions(max_tokens=4)
    kept.generate(["say a"], options)
    kept.generate(["say a"], replace(options, **change))  # type: ignore[arg-type]
    assert model.asked == 2


def test_another_model_and_other_messages_ask_anew() -> None:
    model = Reader()
    for identity in ("reader#3", "reader#4"):
        kept = cached(model, identity)
        kept.generate(["say a"])
        kept.generate([[{"role": "user", "content": "say a"}]])
        kept.generate([[{"role": "system", "content": "say a"}]])
    assert model.asked == 6


def test_a_text_drawn_without_a_seed_is_never_kept() -> None:
    model = Reader()
    kept = cached(model, "reader#5")
    for seed, wanted in ((None, 2), (1, 3)):
        options = GenerateOptions(sampling=Sampling(temperature=1.0, seed=seed))
        kept.generate(["say a"], options)
        kept.generate(["say a"], options)
        assert model.asked == wanted


def test_what_was_answered_before_a_failure_is_kept() -> None:
    kept = cached(Reader(), "reader#6")
    kept.generate(["say a"])
    with pytest.raises(ProviderError):
        kept.generate(["say a", "say FAIL"])
    model = Reader()
    assert [c.text for c in cached(model, "reader#6").generate(["say a", "say b"])] == ["a", "b"]
    assert model.asked == 1


def test_the_store_can_be_emptied() -> None:
    model = Reader()
    kept = cached(model, "reader#7")
    kept.generate(["say a"])
    assert forget_responses(older_than=0.0) == 0
    assert forget_responses() >= 1
    kept.generate(["say a"])
    assert model.asked == 2


@given(st.floats(allow_nan=False), st.integers(0, 10**6), st.booleans())
def test_a_likelihood_comes_back_to_the_bit(value: float, tokens: int, greedy: bool) -> None:
    assert _scored_in(_scored_out(Scored(value, tokens, greedy))) == Scored(value, tokens, greedy)
