"""Requests are those that the official SDKs send for the same question, and the shapes played in the tests are theirs."""

from __future__ import annotations

from typing import Any

import pytest
from tests.remote import COUNTED, HOLDS, Remote, chat, chunk, gemini, said, streamed

from sibao.core.types import GenerateOptions, Message, Sampling
from sibao.providers.load import load

openai = pytest.importorskip("openai")
genai = pytest.importorskip("google.genai")

TURNS: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "你好"},
    {"role": "assistant", "content": "好"},
    {"role": "user", "content": "Who?"},
]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FORM = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
WAY = GenerateOptions(
    50, Sampling(0.7, top_p=0.9, seed=3, logprobs=2, presence_penalty=0.5, frequency_penalty=0.25), ("END",), FORM
)


def test_the_shapes_are_those_of_the_sdks() -> None:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    whole = ChatCompletion.model_validate(chat(), strict=True)
    assert whole.choices[0].message.content == "你好 there" and whole.usage and whole.usage.prompt_tokens_details
    for event in (chunk("你"), chunk(finish="stop"), COUNTED):
        ChatCompletionChunk.model_validate(event, strict=True)
    found = genai.types.GenerateContentResponse.model_validate(gemini())
    assert found.text == "你好 there" and found.usage_metadata.thoughts_token_count == 5
    assert genai.types.Model.model_validate(HOLDS).input_token_limit == 1000


def sent(remote: Remote) -> dict[str, Any]:
    """The last request's body."""
    body: dict[str, Any] = remote.seen[-1].body
    return body


def both(remote: Remote, ours: Any, theirs: Any) -> tuple[Any, Any]:
    """What either client sends."""
    ours()
    first = (remote.seen[-1].path, sent(remote))
    theirs()
    return first, (remote.seen[-1].path, sent(remote))


def test_openai_chat(hosted: Remote) -> None:
    model, client = load("openai:m"), openai.OpenAI(max_retries=0)
    hosted.play(said(chat()))
    how: dict[str, Any] = {
        "model": "m", "messages": TURNS, "max_completion_tokens": 50, "temperature": 0.7, "top_p": 0.9, "seed": 3,
        "logprobs": True, "top_logprobs": 2, "presence_penalty": 0.5, "frequency_penalty": 0.25, "stop": ["END"],
        "response_format": FORM,
    }  # fmt: skip
    first, second = both(hosted, lambda: model.generate([TURNS], WAY), lambda: client.chat.completions.create(**how))
    assert first == second
    hosted.play(streamed(chunk("a", "stop"), COUNTED))
    more = {**how, "stream": True, "stream_options": {"include_usage": True}}
    first, second = both(
        hosted, lambda: list(model.stream(TURNS, WAY)), lambda: list(client.chat.completions.create(**more))
    )
    assert first == second
    client.close()


def test_openai_pictures_and_embeddings(hosted: Remote) -> None:
    model, client = load("openai:m"), openai.OpenAI(max_retries=0)
    parts: Any = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    turns: Any = [{"role": "user", "content": parts}]
    hosted.play(said(chat()))
    first, second = both(
        hosted, lambda: model.generate([turns]),
        lambda: client.chat.completions.create(model="m", messages=turns, max_completion_tokens=128, temperature=0.0),
    )  # fmt: skip
    assert first == second
    rows = [{"object": "embedding", "index": i, "embedding": [i, 0.5]} for i in (1, 0)]
    hosted.play(said({"object": "list", "data": rows, "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2}}))
    assert model.embed(["a", "b"]) == [[0.0, 0.5], [1.0, 0.5]]  # type: ignore[attr-defined]
    ours = hosted.seen[-1]
    client.embeddings.create(model="m", input=["a", "b"], encoding_format="float")
    assert ours.path == hosted.seen[-1].path and {**ours.body, "encoding_format": "float"} == sent(hosted)
    client.close()


CONFIG: dict[str, Any] = {
    "system_instruction": "Be brief.", "temperature": 0.7, "top_p": 0.9, "seed": 3, "max_output_tokens": 50,
    "stop_sequences": ["END"], "presence_penalty": 0.5, "frequency_penalty": 0.25, "response_logprobs": True, "logprobs": 2,
    "response_mime_type": "application/json", "response_json_schema": SCHEMA,
}  # fmt: skip


def contents() -> list[Any]:
    """The turns as Google's SDK takes them."""
    roles = {"user": "user", "assistant": "model"}
    return [
        genai.types.Content(role=roles[m["role"]], parts=[genai.types.Part(text=str(m["content"]))]) for m in TURNS[1:]
    ]


@pytest.mark.parametrize("vertex", [False, True])
def test_gemini(hosted: Remote, vertex: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    hosted.play(said(HOLDS))
    if vertex:
        monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p-1")
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "global")
        monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "token")
    model: Any = load("google:m")
    options = genai.types.HttpOptions(base_url=hosted.url, api_version="v1" if vertex else "v1beta")
    if vertex:
        from google.oauth2.credentials import Credentials

        client = genai.Client(
            vertexai=True, project="p-1", location="global", credentials=Credentials("token"), http_options=options
        )
    else:
        client = genai.Client(http_options=options)
    config = genai.types.GenerateContentConfig(**CONFIG)
    hosted.play(said(gemini()))
    first, second = both(
        hosted, lambda: model.generate([TURNS], WAY),
        lambda: client.models.generate_content(model="m", contents=contents(), config=config),
    )  # fmt: skip
    assert first[0] == second[0]
    assert without_role(first[1]) == without_role(second[1])
    hosted.play(streamed(gemini(), done=False))
    first, second = both(
        hosted, lambda: list(model.stream(TURNS, WAY)),
        lambda: list(client.models.generate_content_stream(model="m", contents=contents(), config=config)),
    )  # fmt: skip
    assert first[0] == second[0]
    hosted.play(said({"totalTokens": 11}))
    assert model.count("你好") == 11
    ours = hosted.seen[-1]
    client.models.count_tokens(model="m", contents="你好")
    assert (ours.path, ours.body) == (hosted.seen[-1].path, sent(hosted))
    client.close()


def without_role(body: dict[str, Any]) -> dict[str, Any]:
    """The SDK writes that the system's words are a user's."""
    system = {key: value for key, value in body["systemInstruction"].items() if key != "role"}
    return {**body, "systemInstruction": system}
