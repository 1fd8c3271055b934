"""Budgets: a limit is never passed, whatever the answers; what does not fit is missing; previews bracket the truth."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.models import Reader

from sibao.core.errors import BudgetExceeded
from sibao.core.prices import Price
from sibao.core.types import GenerateOptions, Usage
from sibao.evaluation.asking import ask
from sibao.evaluation.budget import Purse, metered, preview
from sibao.evaluation.sample import Generation, Judged, Loglikelihood, Sample

DEAR = Price(1e6, 2e6)  # one for a token read, two for one written


def test_the_cost_is_that_of_the_tokens() -> None:
    model = metered(Reader(), DEAR)
    model.generate(["say abcdefgh"], GenerateOptions(max_tokens=3))
    assert model.usage == Usage(12, 3)
    assert model.spent == 12 + 6


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.floats(0, 2000))
def test_no_mix_of_prompts_passes_the_limit(lengths: list[int], limit: float) -> None:
    model = metered(Reader(), DEAR, Purse(limit))
    samples = [
        Sample(str(i), (Generation("x" * n, GenerateOptions(max_tokens=n)), Loglikelihood("", "y" * n)))
        for i, n in enumerate(lengths)
    ]
    outcomes = ask(model, samples, judge=lambda s, r: Judged({}), batch=4)
    assert model.spent <= limit
    for outcome in outcomes:
        assert outcome.missing == "" or "is spent" in outcome.missing
    if any(o.missing for o in outcomes):  # only where the next one might not have fitted
        assert model.spent + max(n + 2 * n + n for n in lengths) > limit


def test_a_refused_call_is_not_sent() -> None:
    inner = Reader()
    model = metered(inner, DEAR, Purse(10.0))
    with pytest.raises(BudgetExceeded, match=r"0\.0000 of 10\.0000 is spent"):
        model.generate(["say something long"])
    assert inner.calls == 0


def test_cached_tokens_have_their_price() -> None:
    price = Price(2.0, 4.0, cached_per_million=0.5)
    assert price.cost(Usage(1_000_000, 500_000)) == 4.0
    assert price.cost(Usage(1_000_000, 0), cached_tokens=1_000_000) == 0.5


def test_previews_hold_the_true_cost_about_as_often_as_they_say() -> None:
    rng, held = random.Random(3), 0
    for _ in range(300):
        rows = [Usage(rng.randint(20, 200), rng.randint(1, 100)) for _ in range(200)]
        total = sum(DEAR.cost(u) for u in rows)
        found = preview(rows[:20], len(rows), 1e9, DEAR)
        assert found.low <= found.expected <= found.high
        held += found.low <= total <= found.high
    assert 0.91 <= held / 300 <= 0.985


def test_a_preview_stays_between_what_is_spent_and_the_most() -> None:
    found = preview([Usage(10, 0), Usage(1000, 0)], 3, 1500.0, DEAR)
    assert found.low >= 1010 and found.high <= found.most == 1515
    assert preview([Usage(10, 5)], 4, 100.0, DEAR).expected == 80
