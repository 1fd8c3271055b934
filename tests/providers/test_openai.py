"""What OpenAI's wire alone has: likelihoods, forms, models that draw, names that there are."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.remote import COUNTED, Play, Remote, Seen, chat, chunk, failure, said, streamed

from sibao.core.errors import BadInput, ProviderError, UnknownName
from sibao.core.types import GenerateOptions, Sampling, Scorer, TokenLogprob
from sibao.providers.load import load

LOGPROBS = {
    "content": [
        {
            "token": "你", "logprob": -0.25, "bytes": [228, 189, 160],
            "top_logprobs": [{"token": "你", "logprob": -0.25, "bytes": None}, {"token": "我", "logprob": -2.0, "bytes": None}],
        },
        {"token": "好", "logprob": -0.5, "bytes": None, "top_logprobs": []},
    ],
    "refusal": None,
}  # fmt: skip


def test_likelihoods_are_read(hosted: Remote) -> None:
    hosted.play(said(chat("你好", logprobs=LOGPROBS)))
    (answer,) = load("openai:m").generate(["x"], GenerateOptions(sampling=Sampling(logprobs=2)))
    assert answer.logprobs == (TokenLogprob("你", -0.25, (("你", -0.25), ("我", -2.0))), TokenLogprob("好", -0.5))
    assert hosted.seen[0].body["logprobs"] is True and hosted.seen[0].body["top_logprobs"] == 2


def test_likelihoods_of_a_stream(hosted: Remote) -> None:
    one = chunk("你好")
    one["choices"][0]["logprobs"] = LOGPROBS
    hosted.play(streamed(one, chunk(finish="length"), COUNTED))
    *_, last = load("openai:m").stream("x", GenerateOptions(sampling=Sampling(logprobs=2)))
    assert last.completion is not None and last.completion.finish_reason == "length"
    assert [one.token for one in last.completion.logprobs] == ["你", "好"]


@pytest.mark.parametrize(
    ("reason", "ours"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "error"), ("tool_calls", "stop"), ("new_one", "error")],
)
def test_reasons_to_end(hosted: Remote, reason: str, ours: str) -> None:
    hosted.play(said(chat("x", reason)))
    assert load("openai:m").generate("x")[0].finish_reason == ours


def test_a_refusal_is_what_it_says(hosted: Remote) -> None:
    hosted.play(said(chat(None, message={"refusal": "I will not."})))
    assert load("openai:m").generate("x")[0].text == "I will not."
    hosted.play(said(chat(None)))
    assert load("openai:m").generate("x")[0].text == ""


def test_a_model_that_reasons_is_asked_without_a_temperature(hosted: Remote, caplog: pytest.LogCaptureFixture) -> None:
    text = (
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."
    )

    def play(seen: Seen) -> Play:
        return said(failure(text, "unsupported_value"), 400) if "temperature" in seen.body else said(chat())

    hosted.play(play)
    model = load("openai:m")
    with caplog.at_level(logging.WARNING, "sibao.remote"):
        assert [one.text for one in model.generate(["a"])] == ["你好 there"]
        assert [one.text for one in model.generate(["b"])] == ["你好 there"]
    assert len(hosted.seen) == 3 and caplog.text.count("takes no temperature") == 1
    fresh = load("openai:m")
    with pytest.raises(ProviderError, match="does not support"):  # asked for, so not left out
        fresh.generate(["a"], GenerateOptions(sampling=Sampling(temperature=0.7)))


def test_unknown_models_are_told_with_the_nearest(hosted: Remote) -> None:
    refused = said(failure("The model `gtp-5` does not exist", "model_not_found"), 404)
    hosted.play(refused, said({"object": "list", "data": [{"id": "gpt-5", "object": "model"}, {"id": "whisper-1"}]}))
    with pytest.raises(UnknownName, match=r"no model at 127\.0\.0\.1 named 'gtp-5'") as caught:
        load("openai:gtp-5").generate("x")
    assert "gpt-5" in caught.value.hint
    hosted.play(refused, said({}, 403))
    with pytest.raises(ProviderError, match=r"does not exist.*asked for the model 'gtp-5'"):
        load("openai:gtp-5").generate("x")


def test_forms_and_stops(hosted: Remote) -> None:
    model = load("openai:m")
    hosted.play(said(chat()))
    schema = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
    model.generate("x", GenerateOptions(response_format=schema))
    assert hosted.seen[0].body["response_format"]["json_schema"] == {"name": "answer", "schema": {"type": "object"}}
    with pytest.raises(BadInput, match="response_format 'regex'"):
        model.generate("x", GenerateOptions(response_format={"type": "regex", "regex": "a"}))
    with pytest.raises(BadInput, match="an object with a type"):
        model.generate("x", GenerateOptions(response_format={}))
    with pytest.raises(BadInput, match="takes 4 stop strings, got 5"):
        model.generate("x", GenerateOptions(stop=tuple("abcde")))
    with pytest.raises(BadInput, match="does not know top_k, repetition_penalty"):
        model.generate("x", GenerateOptions(sampling=Sampling(top_k=3, repetition_penalty=1.1)))
    model.generate("x", GenerateOptions(sampling=Sampling(logit_bias=((5, -1.0),))))
    assert hosted.seen[1].body["logit_bias"] == {"5": -1.0}


def test_it_scores_nothing_and_counts_by_estimate(hosted: Remote) -> None:
    model = load("openai:m")
    assert not isinstance(model, Scorer)
    assert model.count("你好") == 2 and model.count("abcdef") == 2
    assert model.count([{"role": "user", "content": "你好"}]) == 6
    picture: Any = [{"role": "user", "content": [{"type": "text", "text": "abc"}, {"type": "image", "image": "x"}]}]
    assert model.count(picture) == 1005 and hosted.seen == []


def test_usage_is_estimated_where_the_server_says_none(hosted: Remote) -> None:
    hosted.play(said(chat("你好 there") | {"usage": None}))
    (answer,) = load("openai:m").generate(["四个字了"])
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 4)
    hosted.play(streamed(chunk("你好 there"), chunk(finish="stop")))
    *_, last = load("openai:m").stream("四个字了")
    assert last.completion is not None and last.completion.usage.completion_tokens == 4


def test_a_stream_that_tells_of_a_failure(hosted: Remote) -> None:
    hosted.play(streamed(chunk("a"), failure("The server had an error", kind="server_error")))
    pieces = load("openai:m").stream("x")
    assert next(pieces).text == "a"
    with pytest.raises(ProviderError, match="The server had an error") as caught:
        next(pieces)
    assert caught.value.retryable


def test_signs_of_life_are_no_pieces(hosted: Remote) -> None:
    good = streamed(chunk("a"), chunk(finish="stop")).chunks
    hosted.play(Play((b": OPENROUTER PROCESSING\n\n", b"data: \n\n", *good), kind="text/event-stream"))
    assert [one.text for one in load("openai:m").stream("x")] == ["a", ""]


def test_vectors(hosted: Remote) -> None:
    model: Any = load("openai:m")
    hosted.play(lambda seen: said({"data": [
        {"index": i, "embedding": [float(len(text)), 1]} for i, text in reversed([*enumerate(seen.body["input"])])
    ]}))  # fmt: skip
    many = ["x" * (1 + n % 7) for n in range(300)]
    assert model.embed(many) == [[float(len(text)), 1.0] for text in many] and len(hosted.seen) == 3
    assert model.embed("one") == [[3.0, 1.0]] and model.embed([]) == []
    with pytest.raises(BadInput, match="text 2 is ''"):
        model.embed(["a", ""])
    hosted.play(said({"data": []}))
    with pytest.raises(ProviderError, match="got 0 vectors for 1 texts"):
        model.embed(["a"])


@pytest.mark.parametrize(
    "name", ["openai:", "ai21: ", "google:", "google:../x", "google:a/b", "google:a?b", "openai:a\nb"]
)
def test_names_that_are_none(hosted: Remote, name: str) -> None:
    with pytest.raises(BadInput, match="names no model"):
        load(name)


def test_settings_that_are_none(hosted: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "api.openai.com/v1")
    with pytest.raises(BadInput, match="the variable OPENAI_BASE_URL"):
        load("openai:m")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(BadInput, match="does not run in this process"):
        load("openai:m", precision="int8")
