"""``http://host:port/v1#NAME``: what a compatible server is asked for, and likelihoods where it echoes prompts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tests.remote import Play, Remote, Seen, chat, failure, said, streamed

from sibao.core.errors import BadInput, ContextOverflow, ProviderError, UnknownName
from sibao.core.types import GenerateOptions, Sampling, Scorer
from sibao.providers.load import load, local_name, place_of, providers

MODELS = said({"object": "list", "data": [{"id": "m", "object": "model", "max_model_len": 2048}]})


def text(words: str, **more: Any) -> dict[str, Any]:
    """An answer of ``/completions``."""
    choice = {"index": 0, "text": words, "logprobs": None, "finish_reason": "length", **more}
    return {
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }  # fmt: skip


def opened(remote: Remote, name: str = "m") -> Any:
    remote.play(MODELS)
    return load(f"{remote.url}/v1#{name}")


def echo(seen: Seen, first: float | None = None, shift: int = 0) -> Play:
    """A server whose tokens are characters; the n-th one has the log-probability -n/10, and is the likeliest where n is even."""
    prompt = seen.body["prompt"]
    if not seen.body["echo"]:
        value = -len(prompt) / 10
        return said(text("!", logprobs={"tokens": ["!"], "token_logprobs": [value], "text_offset": [len(prompt)]}))
    assert seen.body["max_tokens"] == 1
    values: list[Any] = [first, *(-(n + shift) / 10 for n in range(1, len(prompt))), -9.0]
    tops = [None if v is None else {"x": v if n % 2 == 0 else v + 0.05} for n, v in enumerate(values)]
    return said(text(prompt + "!", logprobs={
        "tokens": [*prompt, "!"], "token_logprobs": values, "top_logprobs": tops,
        "text_offset": list(range(len(prompt) + 1)),
    }))  # fmt: skip


def test_names() -> None:
    assert {"http", "https", "openai", "google", "ai21"} <= {*providers()}
    assert local_name("http://127.0.0.1:1/v1#m") is None
    assert place_of("mini") is None and place_of("mock:echo") is None
    place = place_of("https://a.example:8/v1/#m")
    assert place is not None and (place.base, place.host, place.here) == ("https://a.example:8/v1", "a.example", False)


def test_it_is_asked_what_it_holds(remote: Remote) -> None:
    model = opened(remote)
    assert model.context == 2048 and isinstance(model, Scorer) and remote.seen[0].path == "/v1/models"
    remote.play(said({"detail": "Not Found"}, 404))
    assert load(f"{remote.url}/v1#m").context == 1 << 20


@pytest.mark.parametrize(
    "row", [{"context_length": 77}, {"meta": {"n_ctx_train": 77}}, {"max_model_len": None, "context_window": 77}]
)
def test_context_by_every_name(remote: Remote, row: dict[str, Any]) -> None:
    remote.play(said({"data": [{"id": "other", "max_model_len": 5}, {"id": "m", **row}]}))
    assert load(f"{remote.url}/v1#m").context == 77


def test_the_only_model_needs_no_name(remote: Remote) -> None:
    remote.play(MODELS)
    assert load(f"{remote.url}/v1").name == f"{remote.url}/v1#m"
    remote.play(said({"data": [{"id": "a"}, {"id": "b"}]}))
    with pytest.raises(BadInput, match="has a, b") as caught:
        load(f"{remote.url}/v1")
    assert "#NAME" in caught.value.hint


def test_text_goes_as_it_stands(remote: Remote) -> None:
    model = opened(remote)
    remote.play(said(text(" world")), streamed(text(" wor"), text("ld")))
    (answer,) = model.generate("hello", GenerateOptions(5))
    assert (answer.text, answer.finish_reason, answer.usage.prompt_tokens) == (" world", "length", 3)
    seen = remote.seen[0]
    assert seen.path == "/v1/completions" and seen.body["prompt"] == "hello" and seen.body["max_tokens"] == 5
    *pieces, last = model.stream("hello")
    assert [one.text for one in pieces] == [" wor", "ld"] and last.completion.text == " world"


def test_likelihoods_of_text(remote: Remote) -> None:
    model = opened(remote)
    logprobs = {
        "tokens": ["a", "b"], "token_logprobs": [-0.5, -1], "top_logprobs": [{"a": -0.5, "c": -2}, None],
        "text_offset": [0, 1],
    }  # fmt: skip
    remote.play(said(text("ab", logprobs=logprobs)))
    (answer,) = model.generate("x", GenerateOptions(sampling=Sampling(logprobs=2)))
    assert [(t.token, t.logprob, t.top) for t in answer.logprobs] == [
        ("a", -0.5, (("a", -0.5), ("c", -2))),
        ("b", -1, ()),
    ]
    assert remote.seen[0].body["logprobs"] == 2


def test_every_setting_is_passed_on(remote: Remote) -> None:
    model = opened(remote)
    remote.play(said(chat()))
    way = Sampling(0.5, top_k=5, min_p=0.1, typical_p=0.9, repetition_penalty=1.1, min_tokens=2)
    form = {"type": "regex", "regex": "a+"}
    model.generate([[{"role": "user", "content": "x"}]], GenerateOptions(9, way, tuple("abcdef"), form))
    wanted = {
        "top_k": 5, "min_p": 0.1, "typical_p": 0.9, "repetition_penalty": 1.1, "min_tokens": 2, "stop": [*"abcdef"],
        "response_format": form, "max_tokens": 9,
    }  # fmt: skip
    assert {key: remote.seen[0].body[key] for key in wanted} == wanted


def test_continuations_are_scored(remote: Remote) -> None:
    model = opened(remote)
    remote.play(echo)
    first, second, third = model.score([("abc", "de"), ("abc ", "d"), ("a", "b")])
    assert math.isclose(first.loglikelihood, -0.7) and (first.tokens, first.greedy) == (2, False)
    assert math.isclose(second.loglikelihood, -0.7) and second.tokens == 2  # the space belongs to the continuation
    assert (third.loglikelihood, third.tokens, third.greedy) == (-0.1, 1, False)
    assert model.score([("ab", "c")])[0].greedy is True


def test_whole_texts_are_scored(remote: Remote) -> None:
    model = opened(remote)
    remote.play(echo)
    (one,) = model.score_text(["abcd"])
    assert math.isclose(one.loglikelihood, -0.6) and one.tokens == 3  # nothing stands before the first
    remote.play(lambda seen: echo(seen, first=-1.0))
    assert model.score_text(["abcd"])[0].tokens == 4


def test_a_token_over_the_border_counts(remote: Remote) -> None:
    model = opened(remote)
    logprobs = {"tokens": ["ab", "cd", "!"], "token_logprobs": [None, -2.0, -1.0], "text_offset": [0, 2, 4]}
    last = said(text("abcd!", logprobs=logprobs))
    remote.play(lambda seen: last if seen.body["prompt"] == "abcd" else echo(seen))
    assert model.score([("abc", "d")])[0].loglikelihood == -2.0


@pytest.mark.parametrize(
    "play",
    [
        said(text("x")), said(text("x", logprobs={"tokens": ["x"], "token_logprobs": [-1.0], "text_offset": [0]})),
        said(failure("logprobs is not supported"), 400), said({"detail": "Not Found"}, 405), said({}),
        said(text("abc!", logprobs={"text_offset": []})),
    ],
)  # fmt: skip
def test_a_server_that_does_not_echo_is_told(remote: Remote, play: Play) -> None:
    model = opened(remote)
    remote.play(play)
    with pytest.raises(BadInput, match="gives no likelihoods of texts") as caught:
        model.score([("abc", "d")])
    assert "echo" in caught.value.hint


def test_an_echo_at_the_wrong_place_is_not_believed(remote: Remote) -> None:
    model = opened(remote)

    remote.play(lambda seen: echo(seen, shift=5))  # as llama-cpp-python 0.3: values of places further on
    with pytest.raises(BadInput, match="not those of its own answers"):
        model.score([("abc", "d")])
    assert not any(seen.body["prompt"].startswith("abc") for seen in remote.seen)


def test_what_cannot_be_scored(remote: Remote) -> None:
    model = opened(remote)
    remote.play(echo)
    with pytest.raises(BadInput, match="does not tell how it renders messages"):
        model.score([([{"role": "user", "content": "x"}], "y")])
    with pytest.raises(BadInput, match="continuation is empty"):
        model.score([("a", "")])
    with pytest.raises(BadInput, match="no likelihood for a part"):
        model.score([("", "a")])
    remote.play(said(failure("This model's maximum context length is 8 tokens. However, you requested 9"), 400))
    with pytest.raises(ContextOverflow, match="need 9 tokens, the model holds 8"):
        model.score_text(["abc"])


def test_unknown_models_are_told(remote: Remote) -> None:
    model = opened(remote, "n")
    remote.play(lambda seen: MODELS if seen.method == "GET" else said(failure("no such model"), 404))
    with pytest.raises(UnknownName, match="named 'n'"):
        model.generate([[{"role": "user", "content": "x"}]])
    with pytest.raises(UnknownName):
        model.embed(["a"])


def test_a_server_that_is_not_there(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_REMOTE_RETRIES", "0")
    url = remote.url
    remote.close()
    with pytest.raises(ProviderError, match="cannot be reached"):
        load(f"{url}/v1#m")


@pytest.mark.parametrize(
    ("name", "value"), [("TIMEOUT", "0"), ("TIMEOUT", "nan"), ("RETRIES", "-1"), ("RETRIES", "1e3")]
)
def test_settings_out_of_range(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sibao.core.config import settings
    from sibao.core.errors import ConfigError

    monkeypatch.setenv(f"SIBAO_REMOTE_{name}", value)
    with pytest.raises(ConfigError, match=f"(?i)remote_{name}"):
        settings()
