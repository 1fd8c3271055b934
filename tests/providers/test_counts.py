"""What servers count: told as it is where it can be, estimated where it is missing, and never below nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.remote import EVENTS, HOLDS, Play, Remote, chat, chunk, gemini, said, streamed

from sibao.core.errors import ProviderError
from sibao.core.types import Completion, Message, Usage
from sibao.providers.load import load

TURNS: list[Message] = [{"role": "user", "content": "x" * 20}]  # an estimate of 4 + 7 tokens
CASES: list[tuple[Any, Usage]] = [
    ({"prompt_tokens": 9, "completion_tokens": 3}, Usage(9, 3)),
    ({"total_tokens": 15}, Usage(11, 2)),
    ({"prompt_tokens": 9}, Usage(9, 2)),
    ({"completion_tokens": 3}, Usage(11, 3)),
    ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 10**6}}, Usage(9, 3, 9)),
    ({"prompt_tokens": -9, "completion_tokens": -3, "prompt_tokens_details": {"cached_tokens": -1}}, Usage(0, 0, 0)),
    ({"prompt_tokens": float("inf"), "completion_tokens": 3}, Usage(11, 3)),
    ({"prompt_tokens": float("nan"), "completion_tokens": 10**30}, Usage(11, 2)),
    ({"prompt_tokens": "many", "completion_tokens": None}, Usage(11, 2)),
    (None, Usage(11, 2)),
]


@pytest.mark.parametrize(("told", "wanted"), CASES)
def test_openais_counts(hosted: Remote, told: Any, wanted: Usage) -> None:
    hosted.play(said(chat("abcdef", usage=told)))
    assert load("openai:m").generate([TURNS])[0].usage == wanted
    last = {**chunk(), "choices": [], "usage": told}
    hosted.play(streamed(chunk("abcdef"), chunk(finish="stop"), last))
    assert streamed_whole("openai:m").usage == wanted


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 5}, Usage(9, 8)),
        ({"promptTokenCount": 9, "candidatesTokenCount": 3, "cachedContentTokenCount": 10**6}, Usage(9, 3, 9)),
        ({"promptTokenCount": -9, "candidatesTokenCount": -3, "thoughtsTokenCount": -2}, Usage(0, 0)),
        ({"promptTokenCount": 9}, Usage(9, 2)),
        ({"totalTokenCount": 9}, Usage(11, 2)),
    ],
)
def test_googles_counts(hosted: Remote, told: Any, wanted: Usage) -> None:
    hosted.play(said(HOLDS), said({**gemini("abcdef"), "usageMetadata": told}))
    assert load("google:m").generate([TURNS])[0].usage == wanted


def test_events_without_an_answer_are_passed_over(hosted: Remote) -> None:
    counts = {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    hosted.play(streamed(chunk("ab"), counts, {"choices": []}, {"choices": None}, chunk("c"), chunk(finish="stop")))
    found = streamed_whole("openai:m")
    assert (found.text, found.usage) == ("abc", Usage(3, 1))
    counted = {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1}}
    hosted.play(said(HOLDS), Play(tuple(event(one) for one in (counted, gemini("ab"))), kind=EVENTS))
    assert streamed_whole("google:m").text == "ab"


@pytest.mark.parametrize("text", [5, ["a"], {"a": 1}])
def test_a_text_that_is_none_is_another_form(hosted: Remote, text: Any) -> None:
    raw = {"choices": [{"text": text, "finish_reason": "stop"}]}
    hosted.play(said({"data": []}), said(raw))
    model = load(f"{hosted.url}/v1#m")
    with pytest.raises(ProviderError, match="another form"):
        model.generate("x")
    hosted.play(streamed(raw))
    with pytest.raises(ProviderError, match="another form"):
        list(model.stream("x"))


def test_no_text_is_an_empty_one(hosted: Remote) -> None:
    hosted.play(said({"data": []}), said({"choices": [{"text": None, "finish_reason": "stop"}]}))
    assert load(f"{hosted.url}/v1#m").generate("x")[0].text == ""


def event(body: Any) -> bytes:
    """One of a stream."""
    return f"data: {json.dumps(body)}\n\n".encode()


def streamed_whole(name: str) -> Completion:
    """What a stream makes at its end."""
    *_, last = load(name).stream(TURNS)
    assert last.completion is not None
    return last.completion
