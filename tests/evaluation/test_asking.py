"""Asking: every sample gets its outcome in order, a failure is missing and harms nobody else."""

from __future__ import annotations

import pytest
from tests.evaluation.models import Reader

from sibao.core.errors import BadInput
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
