"""What hosted models cost: each request that may have to be paid counts, and a limit is never passed."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from tests.remote import COUNTED, Play, Remote, Seen, chat, chunk, failure, said, streamed

from sibao.core.errors import ProviderError
from sibao.core.prices import Price
from sibao.core.types import GenerateOptions, Message
from sibao.evaluation.asking import ask
from sibao.evaluation.budget import Metered, Purse, metered
from sibao.evaluation.sample import Generation, Judged, Sample
from sibao.providers import _pace
from sibao.providers.load import load

PRICE = Price(1e6, 1e6)  # one for each token
OPTIONS = GenerateOptions(max_tokens=100)
WORST = 11 + 100
REAL = 9 + 3
CUT = Play((b'{"choices": [',), cut=True)
GOOD = said(chat())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of milliseconds."""
    monkeypatch.setattr(_pace, "BASE", 0.01)


def turns(word: str = "x") -> list[Message]:
    return [{"role": "user", "content": word * 20}]  # an estimate of 4 + 7 tokens


def opened(limit: float | None = None) -> Metered:
    return metered(load("openai:m"), PRICE, Purse(limit))


def fails(model: Metered, why: str) -> None:
    with pytest.raises(ProviderError, match=why):
        model.generate([turns()], OPTIONS)


@pytest.mark.parametrize(
    "play", [CUT, Play((b"{",)), said({}), Play((b"<p>",), kind="text/html"), Play((b"",), raw=True)]
)
@pytest.mark.parametrize("limit", [0.5, 1.0, 2.5, 4.0, 9.0])
def test_no_request_that_may_be_paid_passes_the_limit(hosted: Remote, play: Play, limit: float) -> None:
    hosted.play(play)
    model = opened(limit * WORST)
    samples = [Sample(str(i), (Generation(turns(word), OPTIONS),)) for i, word in enumerate("abcdefgh")]
    outcomes = ask(model, samples, judge=lambda s, r: Judged({}), batch=2)
    assert all(outcome.missing for outcome in outcomes)
    assert len(hosted.seen) * WORST == model.spent == model.purse.spent <= limit * WORST
    assert model.purse.spent + 2 * WORST > limit * WORST and model.purse.held == 0


def test_a_lost_answer_counts_and_is_asked_for_again(hosted: Remote) -> None:
    for limit in (None, 2.5 * WORST):
        hosted.play(CUT, GOOD)
        model = opened(limit)
        assert model.generate([turns()], OPTIONS)[0].text and len(hosted.seen) == 2
        assert model.spent == WORST + REAL and model.usage.completion_tokens == 3
    hosted.play(CUT)
    model = opened()
    fails(model, "broke")
    assert model.spent == 5 * WORST and len(hosted.seen) == 5


def test_what_was_refused_or_never_arrived_costs_nothing(hosted: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(5 * WORST)
    for play in (
        said(failure("busy"), 500),
        said(failure("bad"), 400),
        said({"error": {"message": "busy", "code": 503}}),
    ):
        hosted.play(play)
        fails(model, "busy|bad")
    assert model.spent == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        model = opened(5 * WORST)
        fails(model, "cannot be reached")
    assert model.spent == 0


def test_answers_beside_one_that_failed_are_paid_when_they_come_and_once(hosted: Remote) -> None:
    def bad(seen: Seen) -> Play:
        return said(failure("never"), 400) if "b" in seen.body["messages"][0]["content"] else GOOD

    hosted.play(bad)
    model = opened(9 * WORST)
    with pytest.raises(ProviderError, match="never"):
        model.generate([turns("a"), turns("b")], OPTIONS)
    assert model.spent == REAL
    model.generate([turns("a")], OPTIONS)
    assert model.spent == REAL and len(hosted.seen) == 2


@pytest.mark.parametrize(
    ("plays", "spent"),
    [
        ([streamed(chunk("ab"), chunk(finish="stop"), COUNTED)], REAL),
        ([streamed(chunk("ab"), done=False)], WORST),
        (
            [streamed(chunk(""), done=False, cut=True), streamed(chunk("ab"), chunk(finish="stop"), COUNTED)],
            WORST + REAL,
        ),
        ([streamed(chunk("ab"), {"error": {"message": "busy", "code": 503}})], WORST),
        ([streamed({"error": {"message": "busy", "code": 503}})], 0),
    ],
)
def test_streams(hosted: Remote, plays: list[Any], spent: float) -> None:
    hosted.play(*plays)
    model = opened(9 * WORST)
    try:
        list(model.stream(turns(), OPTIONS))
    except ProviderError as error:
        assert error.retryable
    assert model.spent == model.purse.spent == spent and model.purse.held == 0


def test_a_stream_that_is_given_up_may_be_paid_in_full(hosted: Remote) -> None:
    hosted.play(streamed(chunk("ab"), chunk("cd"), chunk(finish="stop"), pause=0.05))
    model = opened(9 * WORST)
    deltas: Any = model.stream(turns(), OPTIONS)
    next(deltas)
    assert model.purse.held == WORST
    deltas.close()
    assert model.spent == WORST and model.purse.held == 0
