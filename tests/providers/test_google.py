"""What Google's wire alone has: two doors, counting, thoughts, blocked prompts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.remote import HOLDS, Remote, gemini, gemini_failure, said, streamed

from sibao.core.errors import BadInput, ProviderError, UnknownName
from sibao.core.types import GenerateOptions, Message, Sampling, TokenLogprob
from sibao.providers.load import load, place_of

TURNS: list[Message] = [{"role": "system", "content": "规则"}, {"role": "user", "content": "x"}]
VERTEX = "/v1/projects/p-1/locations/global/publishers/google/models/m"


def opened(remote: Remote) -> Any:
    remote.play(said(HOLDS))
    return load("google:m")


@pytest.fixture
def vertex(hosted: Remote, monkeypatch: pytest.MonkeyPatch) -> Remote:
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "1")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p-1")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "global")
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "ya29.token")
    return hosted


def test_it_is_asked_what_it_holds(hosted: Remote) -> None:
    model = opened(hosted)
    assert model.context == 1024 and hosted.seen[0].path == "/v1beta/models/m"
    assert hosted.seen[0].headers["x-goog-api-key"].startswith("sk-") and "authorization" not in hosted.seen[0].headers


def test_unknown_models_are_told_at_once(hosted: Remote) -> None:
    refused = said(gemini_failure(404, "models/gemini-x is not found", "NOT_FOUND"), 404)
    hosted.play(refused, said({"models": [{"name": "models/gemini-y"}, {"name": "models/embed"}]}))
    with pytest.raises(UnknownName, match="named 'gemini-x'") as caught:
        load("google:gemini-x")
    assert "gemini-y" in caught.value.hint


def test_the_second_variable_is_a_key_too(hosted: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_API_KEY")
    monkeypatch.setenv("GEMINI_API_KEY", "second-key")
    opened(hosted)
    assert hosted.seen[0].headers["x-goog-api-key"] == "second-key"


def test_prompts_are_counted_once_each(hosted: Remote) -> None:
    model = opened(hosted)
    hosted.play(said({"totalTokens": 7, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}]}))
    assert [model.count("abc"), model.count("abc"), model.count(TURNS), model.count("")] == [7, 7, 7, 0]
    first, second = hosted.seen
    assert first.path == "/v1beta/models/m:countTokens"
    assert first.body == {"contents": [{"role": "user", "parts": [{"text": "abc"}]}]}
    assert second.body["generateContentRequest"]["systemInstruction"] == {"parts": [{"text": "规则"}]}


def test_thoughts_are_no_answer_and_are_paid(hosted: Remote) -> None:
    model = opened(hosted)
    whole = gemini("", "STOP")
    whole["candidates"][0]["content"]["parts"] = [{"text": "hm", "thought": True}, {"text": "你"}, {"text": "好"}]
    hosted.play(said(whole))
    (answer,) = model.generate("x")
    assert answer.text == "你好" and answer.usage.completion_tokens == 8


@pytest.mark.parametrize(
    ("reason", "ours"), [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "error"), ("RECITATION", "error")]
)
def test_reasons_to_end(hosted: Remote, reason: str, ours: str) -> None:
    model = opened(hosted)
    hosted.play(said(gemini("x", reason)))
    assert model.generate("x")[0].finish_reason == ours


def test_a_blocked_prompt_is_told(hosted: Remote) -> None:
    model = opened(hosted)
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}
    hosted.play(said(blocked), streamed(blocked, done=False))
    for work in (lambda: model.generate("x"), lambda: list(model.stream("x"))):
        with pytest.raises(ProviderError, match="blocked: PROHIBITED_CONTENT") as caught:
            work()
        assert not caught.value.retryable


def test_likelihoods_are_read(hosted: Remote) -> None:
    model = opened(hosted)
    whole = gemini("你")
    whole["candidates"][0]["logprobsResult"] = {
        "topCandidates": [{"candidates": [{"token": "你", "logProbability": -0.1, "tokenId": 5}]}],
        "chosenCandidates": [{"token": "你", "logProbability": -0.1, "tokenId": 5}],
    }
    hosted.play(said(whole))
    (answer,) = model.generate("x", GenerateOptions(sampling=Sampling(logprobs=1)))
    assert answer.logprobs == (TokenLogprob("你", -0.1, (("你", -0.1),)),)


def test_forms(hosted: Remote) -> None:
    model = opened(hosted)
    hosted.play(said(gemini()))
    for form, wanted in (
        ({"type": "json_object"}, {"responseMimeType": "application/json"}),
        (
            {"type": "choice", "choices": ["是", "no"]},
            {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["是", "no"]}},
        ),
    ):
        model.generate("x", GenerateOptions(response_format=form))
        config = hosted.seen[-1].body["generationConfig"]
        assert {key: value for key, value in config.items() if key.startswith("response")} == wanted
    with pytest.raises(BadInput, match="no json_schema with a schema"):
        model.generate("x", GenerateOptions(response_format={"type": "json_schema"}))
    with pytest.raises(BadInput, match="takes 5 stop strings"):
        model.generate("x", GenerateOptions(stop=tuple("abcdef")))
    with pytest.raises(BadInput, match="a system message only"):
        model.generate([TURNS[:1]])


def test_vectors(hosted: Remote) -> None:
    model = opened(hosted)
    hosted.play(lambda seen: said({"embeddings": [{"values": [1, n]} for n, _ in enumerate(seen.body["requests"])]}))
    assert model.embed(["a", "b"]) == [[1.0, 0.0], [1.0, 1.0]]
    assert hosted.seen[0].path == "/v1beta/models/m:batchEmbedContents"
    assert hosted.seen[0].body["requests"][1] == {"model": "models/m", "content": {"parts": [{"text": "b"}]}}


def test_vertex(vertex: Remote) -> None:
    model: Any = load("google:m")
    assert vertex.seen == [] and model.context == 1 << 20
    vertex.play(said(gemini()))
    assert model.generate([TURNS])[0].text == "你好 there"
    assert vertex.seen[0].path == f"{VERTEX}:generateContent"
    assert vertex.seen[0].headers["authorization"] == "Bearer ya29.token"
    vertex.play(said({"totalTokens": 4}))
    assert model.count(TURNS) == 4 and vertex.seen[0].body["systemInstruction"]
    vertex.play(said({"predictions": [{"embeddings": {"values": [0.5], "statistics": {"token_count": 1}}}]}))
    assert model.embed(["a"]) == [[0.5]] and vertex.seen[0].path == f"{VERTEX}:predict"


def test_a_token_that_was_renewed_is_used(vertex: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load("google:m")
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "ya29.newer")
    vertex.play(said(gemini()))
    model.generate("x")
    assert vertex.seen[0].headers["authorization"] == "Bearer ya29.newer"


def test_vertex_needs_project_and_region(vertex: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GOOGLE_OAUTH_ACCESS_TOKEN"):
        with monkeypatch.context() as patch:
            patch.delenv(name)
            with pytest.raises(ProviderError, match=name):
                load("google:m")
    for bad in ("evil.example/", "a@b", "A", "x/../y"):
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", bad)
        with pytest.raises(BadInput, match="GOOGLE_CLOUD_LOCATION"):
            load("google:m")


def test_where_vertex_is(vertex: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_VERTEX_BASE_URL")
    for region, host in (
        ("global", "aiplatform.googleapis.com"), ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ):  # fmt: skip
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", region)
        place = place_of("google:m")
        assert place is not None and place.base == f"https://{host}"
