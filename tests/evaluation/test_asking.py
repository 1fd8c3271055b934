"""Asking: every sample gets its outcome in order, a failure is missing and harms nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.evaluation.models import Reader

from sibao.core.errors import BadInput, BudgetExceeded, ContextOverflow, ProviderError
from sibao.core.types import Completion, GenerateOptions, Scored
from sibao.evaluation.asking import ask
from sibao.evaluation.sample import Generation, Judged, Loglikelihood, Outcome, Reply, Request, Rolling, Sample


def judge(sample: Sample, replies: tuple[Reply, ...]) -> Judged:
    """The replies themselves."""
    return Judged({"n": float(len(replies))}, str(replies[0]))


def sample(name: str, *requests: Request) -> Sample:
    return Sample(name, requests)


def test_replies_are_those_of_the_model_whatever_the_batch() -> None:
    samples = [
        sample(str(i), Loglikelihood(f"context {i % 3}", " a"), Loglikelihood(f"context {i % 3}", f" b{i}"),
               Rolling(f"text {i}"), Generation(f"say {i}", GenerateOptions(max_tokens=3 + i % 2)))
        for i in range(11)
    ]  # fmt: skip
    model = Reader()
    small, large = (ask(Reader(), samples, judge=judge, batch=batch) for batch in (1, 64))
    assert small == large
    assert [o.sample.id for o in large] == [str(i) for i in range(11)]
    for outcome, one in zip(large, samples, strict=True):
        first, second, rolling, written = outcome.replies
        pairs = [(r.context, r.continuation) for r in one.requests[:2] if isinstance(r, Loglikelihood)]
        assert [first, second] == model.score(pairs)
        assert isinstance(rolling, Scored) and isinstance(written, Completion)
        assert written.text == one.id[::-1][: 3 + int(one.id) % 2]


def test_a_request_that_samples_share_is_made_once() -> None:
    model = Reader()
    ask(model, [sample(str(i), Loglikelihood("", " A"), Loglikelihood(f"q{i}", " A")) for i in range(8)], judge=judge)
    assert model.asked == 9


@pytest.mark.parametrize("word", ["FAIL", "LONG"])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_failure_is_missing_and_alone(word: str, place: int) -> None:
    samples = [sample(str(i), Generation(f"say {word if i == place else i}")) for i in range(7)]
    seen: list[Outcome] = []
    outcomes = ask(Reader(), samples, judge=judge, on_done=seen.append)
    assert seen == outcomes
    assert [bool(o.missing) for o in outcomes] == [i == place for i in range(7)]
    assert outcomes[place].judged is None
    assert ("failed" if word == "FAIL" else "512") in outcomes[place].missing


def test_a_model_without_likelihoods_is_refused_before_anything_is_asked() -> None:
    class Writes:
        name, context = "writes", 10

        def generate(self, *_: object) -> list[Completion]:
            raise AssertionError("was asked")

    with pytest.raises(BadInput, match="gives no token probabilities"):
        ask(Writes(), [sample("0", Rolling("a"))], judge=judge)  # type: ignore[arg-type]


class Dead(Reader):
    """A provider that fails from some row on; ``error`` says how."""

    def __init__(self, error: Exception, good: int) -> None:
        super().__init__()
        self.error, self.good = error, good

    def generate(self, prompts: Any, options: GenerateOptions | None = None) -> list[Completion]:
        """As the model's own, for the first rows."""
        if any(int(prompt.split()[1]) >= self.good for prompt in prompts):
            raise self.error
        return super().generate(prompts, options)


ROWS = [sample(str(i), Generation(f"say {i}", GenerateOptions(max_tokens=3))) for i in range(100)]


@pytest.mark.parametrize(
    "error",
    [ProviderError("no key", status=401), ProviderError("pay", status=402), ProviderError("no credit", status=429)],
)
def test_what_no_row_can_change_ends_the_run(error: ProviderError) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(Dead(error, 20), ROWS, judge=judge, batch=8)
    assert caught.value is error


@pytest.mark.parametrize("batch", [1, 8, 32])
@pytest.mark.parametrize("status", [None, 403, 503])
def test_a_provider_that_is_dead_ends_the_run(batch: int, status: int | None) -> None:
    done: list[Outcome] = []
    error = ProviderError("down", retryable=status != 403, status=status)
    with pytest.raises(ProviderError, match=rf"{max(16, batch)} rows on end failed, the last one so: down"):
        ask(Dead(error, 20), ROWS, judge=judge, batch=batch, on_done=done.append)
    assert [outcome.missing for outcome in done] == [""] * 20 + ["down"] * (max(16, batch) - 1)
    short = ask(Dead(error, 90), ROWS, judge=judge, batch=batch)
    assert [outcome.missing for outcome in short] == [""] * 90 + ["down"] * 10


def test_a_spent_limit_and_long_prompts_end_nothing() -> None:
    for error in (BudgetExceeded("spent"), ContextOverflow(9, 8)):
        assert sum(bool(outcome.missing) for outcome in ask(Dead(error, 20), ROWS, judge=judge, batch=8)) == 80
