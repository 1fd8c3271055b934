"""Sampling against Transformers' own warpers, and against the distribution it claims to draw from."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sibao.core.errors import BadInput, ModelError
from sibao.core.types import Sampling
from sibao.engine import sampling
from sibao.engine.filters import filtered
from sibao.engine.request import Request
from sibao.engine.shortlist import choices

LOGITS = torch.tensor([[2.0, 1.0, 0.5, -1.0, 0.0, 1.5, -2.0, 0.9]])


def random_logits(seed: int, rows: int = 3, vocab: int = 50) -> torch.Tensor:
    return torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed)) * 3


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1000), st.sampled_from([0.3, 1.0, 1.7]), st.integers(0, 60),
    st.sampled_from([0.1, 0.6, 0.95, 1.0]), st.sampled_from([0.0, 0.05, 0.5, 1.0]), st.sampled_from([0.2, 0.9, 1.0]),
)  # fmt: skip
def test_filters_equal_transformers(seed: int, temperature: float, k: int, p: float, low: float, mass: float) -> None:
    """Their order too: it is that of ``generate``."""
    logits = random_logits(seed)
    setting = Sampling(temperature=temperature, top_k=k, top_p=p, min_p=low, typical_p=mass)
    got, expected = filtered(logits, [setting] * 3), theirs(logits, setting)
    assert torch.equal(got.isinf(), expected.isinf())
    torch.testing.assert_close(got, expected)


def theirs(logits: torch.Tensor, setting: Sampling) -> torch.Tensor:
    """The logits processors that Transformers' ``generate`` itself puts together."""
    from transformers import GenerationConfig
    from transformers.generation.utils import GenerationMixin

    config = GenerationConfig(
        do_sample=True, temperature=setting.temperature, top_k=setting.top_k, top_p=setting.top_p,
        min_p=setting.min_p or None, typical_p=setting.typical_p,
    )  # fmt: skip
    config._eos_token_tensor = None
    return GenerationMixin()._get_logits_processor(config)(None, logits.clone())


def test_rows_with_and_without_a_filter_stand_together() -> None:
    mixed = [Sampling(1.0, typical_p=0.3), Sampling(1.0), Sampling(1.0, top_p=0.2)]
    together = filtered(random_logits(1), mixed)
    for row, setting in enumerate(mixed):
        torch.testing.assert_close(together[row], theirs(random_logits(1), setting)[row])


def test_each_row_has_its_own_settings() -> None:
    logits = LOGITS.repeat(3, 1)
    mixed = [Sampling(temperature=1.0, top_k=2), Sampling(temperature=0.5), Sampling(temperature=2.0, top_p=0.3)]
    together = filtered(logits, mixed)
    for row, setting in enumerate(mixed):
        torch.testing.assert_close(together[row], filtered(LOGITS, [setting])[0])


WIDE = 20000
SHORT = st.builds(
    Sampling,
    temperature=st.sampled_from([0.4, 1.0]), top_k=st.sampled_from([0, 1, 20, 63, 64, 300, 511, 900]),
    top_p=st.sampled_from([0.2, 0.9, 1.0]), min_p=st.sampled_from([0.0, 0.1]), typical_p=st.sampled_from([0.5, 1.0]),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(SHORT, min_size=1, max_size=5), st.integers(0, 1000), st.sampled_from([0.01, 1.0, 4.0]), st.booleans())
def test_shortlists_leave_what_the_filters_leave(mixed: list[Sampling], seed: int, spread: float, coarse: bool) -> None:
    """Coarse logits have many ties, also at the border; flat ones fill the nucleus with thousands of tokens."""
    logits = random_logits(seed, len(mixed), WIDE) * spread
    logits = logits.bfloat16().float() if coarse else logits
    seen = []
    for some in choices(logits, mixed, range(len(mixed))):
        seen += some.rows
        for place, row in enumerate(some.rows):
            whole = filtered(logits[row : row + 1], [mixed[row]])[0].softmax(-1)
            ids = torch.arange(WIDE) if some.ids is None else some.ids[place]
            assert torch.equal(ids, ids.sort().values)
            short = torch.zeros(WIDE).index_copy_(0, ids, some.logits[place].softmax(-1))
            if (whole > 0).sum() == (short > 0).sum():  # else a sum stands at the border, and rounding decides
                torch.testing.assert_close(short, whole, atol=1e-5, rtol=1e-3)
            else:
                assert abs(int((whole > 0).sum() - (short > 0).sum())) <= 2
    assert sorted(seen) == list(range(len(mixed)))


def test_a_short_row_draws_the_same_beside_others() -> None:
    logits = random_logits(5, 6, WIDE)
    mixed = [
        Sampling(1.0, top_k=20), Sampling(0.8, top_p=0.9), Sampling(), Sampling(1.0), Sampling(0.7, 50, 0.8, 0.05),
        Sampling(1.2, top_k=200, typical_p=0.7),
    ]  # fmt: skip
    together = sampling.choose(logits, mixed, [sampling.make_generator(s) for s in range(6)])
    alone = [sampling.choose(logits[i : i + 1], [mixed[i]], [sampling.make_generator(i)])[0] for i in range(6)]
    assert together == alone


@pytest.mark.parametrize("setting", [Sampling(1.0), Sampling(1.0, top_k=30), Sampling(1.0, top_p=0.9), Sampling()])
def test_a_token_takes_one_random_number(setting: Sampling) -> None:
    generator, other = sampling.make_generator(1), sampling.make_generator(1)
    sampling.choose(random_logits(2, 1, WIDE), [setting], [generator])
    if setting.temperature:
        torch.rand(1, generator=other, dtype=torch.float64)
    assert torch.equal(generator.get_state(), other.get_state())


@pytest.mark.parametrize("vocab", [7, 6000, sampling.LARGE, sampling.LARGE + 1, 20000])
def test_the_best_token_is_the_first_of_the_largest(vocab: int) -> None:
    logits = random_logits(vocab, 4, vocab)
    logits[1, -1] = logits[1].max() + 1
    logits[2] = logits[2].round()
    logits[3, vocab // 2] = math.nan
    expected = [(float(row.max()), int((row == row.max()).nonzero()[0])) for row in logits[:3]]
    got = sampling.best(logits)
    assert got[:3] == expected and math.isnan(got[3][0])


def test_draws_follow_the_distribution() -> None:
    """Chi-square over 8 words, 7 degrees of freedom: 24.3 is exceeded once in a thousand."""
    n = 4000
    generator = sampling.make_generator(7)
    counts = torch.zeros(8)
    for _ in range(n):
        counts[sampling.draw(LOGITS, [generator])[0]] += 1
    expected = LOGITS[0].softmax(-1) * n
    assert float(((counts - expected) ** 2 / expected).sum()) < 24.3


def test_draws_from_a_large_vocabulary_follow_the_distribution() -> None:
    """The same over 8 stretches of it."""
    n, vocab = 3000, 24 * sampling.STRIDE - 100
    logits = random_logits(4, 1, vocab)
    generator = sampling.make_generator(7)
    drawn = torch.tensor(sampling.draw(logits.expand(n, -1), [generator] * n))
    expected = logits[0].softmax(-1)
    for part in (torch.arange(vocab) // (3 * sampling.STRIDE), torch.arange(vocab) % 8):
        share = torch.zeros(8).index_add_(0, part, expected) * n
        counts = torch.bincount(part[drawn], minlength=8)
        assert float(((counts - share) ** 2 / share).sum()) < 24.3


@pytest.mark.parametrize(("vocab", "word"), [(5, 3), (20000, 1023), (20000, 19999), (20000, 0)])
def test_impossible_words_are_never_drawn(vocab: int, word: int) -> None:
    logits = torch.full((1, vocab), sampling.NEVER)
    logits[0, word] = 0.0
    assert {sampling.draw(logits, [sampling.make_generator(s)])[0] for s in range(50)} == {word}


@pytest.mark.parametrize("u", [0.0, 1.0 - 2**-53])
@pytest.mark.parametrize("vocab", [50, 20000])
def test_the_ends_of_the_unit_interval_draw_possible_words(u: float, vocab: int, monkeypatch: Any) -> None:
    logits = random_logits(3, 1, vocab)
    logits[0, :20] = logits[0, -20:] = sampling.NEVER
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor([u], dtype=torch.float64))
    assert sampling.draw(logits, [torch.Generator()]) == [20 if u == 0 else vocab - 21]


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
        (Sampling(typical_p=0), "typical_p is 0, wanted above 0"),
        (Sampling(typical_p=math.nan), "typical_p is nan"),
        (Sampling(presence_penalty=2.1), "presence_penalty is 2.1, wanted from -2 to 2"),
        (Sampling(frequency_penalty=-math.inf), "frequency_penalty is -inf"),
        (Sampling(frequency_penalty=math.nan), "frequency_penalty is nan"),
        (Sampling(min_tokens=-1), "min_tokens is -1, wanted 0"),
        (Sampling(logit_bias=((1, math.nan),)), r"logit_bias holds \(1, nan\)"),
        (Sampling(logit_bias=((-1, 1.0),)), r"logit_bias holds \(-1, 1.0\)"),
        (Sampling(logit_bias=((1, 1.0), (1, 2.0))), "names the token 1 twice"),
        (Sampling(logit_bias=((1, 2, 3),)), "wanted .token id, number."),  # type: ignore[arg-type]
        (Sampling(logit_bias={1: 2.0}), "logit_bias is a dict, wanted a tuple"),  # type: ignore[arg-type]
        (Sampling(num_beams=2, min_tokens=3, presence_penalty=1), "does not know presence_penalty, min_tokens"),
    ],
)
def test_settings_out_of_range_are_refused(setting: Sampling, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Request("a", [1], setting)


def test_settings_can_be_keys() -> None:
    assert hash(Sampling(logit_bias=((1, 2.0),))) != hash(Sampling())


def test_more_tokens_than_allowed_are_refused() -> None:
    with pytest.raises(BadInput, match="min_tokens is 5 and max_tokens 4"):
        Request("a", [1], Sampling(min_tokens=5), max_tokens=4)


def test_empty_prompts_and_no_tokens_are_refused() -> None:
    with pytest.raises(BadInput, match="'a' has an empty prompt"):
        Request("a", [])
    with pytest.raises(BadInput, match="max_tokens is 0, at least 1"):
        Request("a", [1], max_tokens=0)
