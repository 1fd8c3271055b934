"""Failures that a hosted model tells of with a good status, or in its stream, and streams that break before they begin."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.remote import EVENTS, HOLDS, Play, Remote, chat, chunk, failure, gemini, said, streamed

from sibao.core.errors import ContextOverflow, ProviderError
from sibao.core.types import Message
from sibao.providers import _pace
from sibao.providers.load import load

TURNS: list[Message] = [{"role": "user", "content": "x"}]
BUSY = {"error": {"message": "upstream overloaded", "code": 503}}
ANSWER = (chunk("你好"), chunk(finish="stop"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of milliseconds."""
    monkeypatch.setattr(_pace, "BASE", 0.01)


def opened(remote: Remote, name: str) -> Any:
    remote.play(said(HOLDS))
    return load(name)


def whole(model: Any) -> str:
    return str(model.generate([TURNS])[0].text)


def in_pieces(model: Any) -> str:
    return "".join(delta.text for delta in model.stream(TURNS))


GOOD = {"openai:m": said(chat("你好")), "google:m": said(gemini("你好"))}
BEGUN = {"openai:m": streamed(*ANSWER), "google:m": streamed(gemini("你好"), done=False)}
NAMES = list(GOOD)


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_of_a_good_status_is_tried_again(hosted: Remote, name: str) -> None:
    model = opened(hosted, name)
    hosted.play(said(BUSY), GOOD[name])
    assert whole(model) == "你好" and len(hosted.seen) == 2
    hosted.play(said(BUSY), BEGUN[name])
    assert in_pieces(model) == "你好" and len(hosted.seen) == 2


@pytest.mark.parametrize("ask", [whole, in_pieces])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("body", "status", "retryable"),
    [
        (BUSY, 503, True),
        ({"error": {"message": "upstream overloaded", "code": "503"}}, 503, True),
        ({"error": {"message": "upstream overloaded", "code": 1305}}, 500, True),
        ({"error": "upstream overloaded"}, 500, True),
        ({"error": {"message": "upstream overloaded", "code": 400}}, 400, False),
        (failure("upstream overloaded"), 400, False),
        (failure("upstream overloaded", "insufficient_quota", "insufficient_quota"), 429, False),
    ],
)
def test_a_failure_of_a_good_status_is_told(
    hosted: Remote, name: str, ask: Any, body: Any, status: int, retryable: bool
) -> None:
    model = opened(hosted, name)
    hosted.play(said(body))
    with pytest.raises(ProviderError, match="upstream overloaded") as caught:
        ask(model)
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert len(hosted.seen) == (5 if retryable else 1)


def test_a_prompt_that_is_too_long_may_be_told_so_too(hosted: Remote) -> None:
    model = opened(hosted, "openai:m")
    hosted.play(said(failure("This model's maximum context length is 10 tokens. However, you requested 20 tokens")))
    with pytest.raises(ContextOverflow, match="need 20 tokens"):
        whole(model)


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"candidates": []}, {"candidates": None, "error": None}])
@pytest.mark.parametrize("name", NAMES)
def test_no_answer_is_another_form(hosted: Remote, name: str, body: Any) -> None:
    model = opened(hosted, name)
    hosted.play(said(body))
    with pytest.raises(ProviderError, match="another form"):
        whole(model)


def error_event(body: Any) -> bytes:
    return f"event: error\ndata: {json.dumps(body)}\n\n".encode()


def test_an_event_of_an_error_is_one(hosted: Remote) -> None:
    model = opened(hosted, "openai:m")
    boom = error_event({"message": "boom detail", "type": "server_error"})
    hosted.play(Play((b"data: " + json.dumps(ANSWER[0]).encode() + b"\n\n", boom), kind=EVENTS))
    with pytest.raises(ProviderError, match="boom detail"):
        in_pieces(model)
    assert len(hosted.seen) == 1
    hosted.play(Play((boom,), kind=EVENTS), streamed(*ANSWER))
    assert in_pieces(model) == "你好" and len(hosted.seen) == 2


@pytest.mark.parametrize(
    "broken",
    [
        Play(kind=EVENTS), Play(kind=EVENTS, cut=True), streamed(chunk(""), done=False), streamed(BUSY),
        streamed(chunk(""), done=False, cut=True), streamed(chunk(""), BUSY),
    ],
    ids=["empty", "cut", "a role only", "busy", "a role and cut", "a role and busy"],
)  # fmt: skip
def test_a_stream_that_breaks_before_it_says_something_is_asked_for_again(hosted: Remote, broken: Play) -> None:
    model = opened(hosted, "openai:m")
    hosted.play(broken, broken, streamed(*ANSWER))
    assert in_pieces(model) == "你好" and len(hosted.seen) == 3
    hosted.play(broken)
    with pytest.raises(ProviderError) as caught:
        in_pieces(model)
    assert caught.value.retryable and len(hosted.seen) == 5


def test_a_stream_that_has_begun_is_not(hosted: Remote) -> None:
    model = opened(hosted, "openai:m")
    for broken in (streamed(ANSWER[0], BUSY), streamed(ANSWER[0], done=False, cut=True)):
        hosted.play(broken, streamed(*ANSWER))
        with pytest.raises(ProviderError) as caught:
            in_pieces(model)
        assert caught.value.retryable and len(hosted.seen) == 1


def test_an_empty_answer_is_one(hosted: Remote) -> None:
    model = opened(hosted, "openai:m")
    hosted.play(streamed(chunk(""), chunk(finish="stop")))
    assert in_pieces(model) == "" and len(hosted.seen) == 1


def test_streams_use_a_connection_again(hosted: Remote) -> None:
    model = opened(hosted, "openai:m")
    hosted.play(streamed(*ANSWER))
    assert [in_pieces(model) for _ in range(3)] == ["你好"] * 3
    assert len({seen.port for seen in hosted.seen}) == 1


def test_a_stream_without_an_end_is_not_waited_for(hosted: Remote) -> None:
    model = opened(hosted, "openai:m")
    events = streamed(*ANSWER)
    hosted.play(Play((b"".join(events.chunks), b": more\n\n", b": more\n\n"), kind=EVENTS, pause=0.4))
    assert in_pieces(model) == "你好" and hosted.gone.wait(3)
