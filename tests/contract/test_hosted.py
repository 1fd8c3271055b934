"""Every provider that asks a server keeps one contract: answers, streams, refusals, keys that nobody sees, no network offline."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.remote import (
    COUNTED,
    HOLDS,
    Play,
    Remote,
    chat,
    chunk,
    failure,
    gemini,
    gemini_failure,
    running,
    said,
    streamed,
)

from sibao.core.errors import BadInput, ContextOverflow, ProviderError, SibaoError, UnknownName
from sibao.core.types import GenerateOptions, Message, Model, Sampling, Usage
from sibao.providers import _pace
from sibao.providers.load import HOSTED, load, place_of

KEY = "sk-SECRET-0123456789abcdef"
TURNS: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "你好"},
    {"role": "assistant", "content": "好"},
    {"role": "user", "content": "Who?"},
]


OPENAI_USAGE, GEMINI_USAGE = Usage(9, 3, 4), Usage(9, 8, 4)


@dataclass(frozen=True)
class Kind:
    """A provider: its model's name, its variables, where keys stand, and the shapes of its answers."""

    name: str
    base: str
    path: str
    key: str
    header: str
    variables: dict[str, str]
    answer: Callable[..., Any] = chat
    refusal: Callable[[int, str], Any] = lambda status, text: failure(text)
    usage: Usage = OPENAI_USAGE
    sees: bool = True

    def stream(self) -> Play:
        """Two pieces and an end."""
        if self.answer is gemini:
            return streamed(gemini("你好", None), gemini(" there"), done=False)
        return streamed(chunk(""), chunk("你好"), chunk(" there"), chunk(finish="stop"), COUNTED)

    def cut(self) -> Play:
        """A stream that ends without saying why the answer does."""
        if self.answer is gemini:
            return streamed(gemini("你好", None), done=False)
        return streamed(chunk("你好"), done=False)


def google(status: int, text: str) -> Any:
    """A refusal of Google."""
    return gemini_failure(status, text, "INVALID_ARGUMENT")


VERTEX = "/v1/projects/p-1/locations/europe-west4/publishers/google/models/m"
KINDS = [
    Kind("openai:m", "/v1", "/v1/chat/completions", "OPENAI_API_KEY", "authorization", {"OPENAI_BASE_URL": "/v1"}),
    Kind("ai21:m", "/studio/v1", "/studio/v1/chat/completions", "AI21_API_KEY", "authorization",
         {"AI21_BASE_URL": "/studio/v1"}, sees=False),
    Kind("google:m", "", "/v1beta/models/m:generateContent", "GOOGLE_API_KEY", "x-goog-api-key",
         {"GOOGLE_GEMINI_BASE_URL": ""}, gemini, google, GEMINI_USAGE),
    Kind("google:m", "", f"{VERTEX}:generateContent", "GOOGLE_OAUTH_ACCESS_TOKEN", "authorization",
         {"GOOGLE_VERTEX_BASE_URL": "", "GOOGLE_GENAI_USE_VERTEXAI": "=true", "GOOGLE_CLOUD_PROJECT": "=p-1",
          "GOOGLE_CLOUD_LOCATION": "=europe-west4"}, gemini, google, GEMINI_USAGE),
    Kind("URL#m", "/v1", "/v1/chat/completions", "OPENAI_COMPATIBLE_API_KEY", "authorization", {}),
]  # fmt: skip
each = pytest.mark.parametrize("kind", KINDS, ids=["openai", "ai21", "gemini", "vertex", "compatible"])
ALL_KEYS = {kind.key for kind in KINDS} | {"GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "SIBAO_OFFLINE"}


@pytest.fixture
def remote() -> Iterator[Remote]:
    """The server."""
    with running() as server:
        yield server


def open_model(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> Any:
    """The model, asked at the server."""
    for name in ALL_KEYS:
        monkeypatch.delenv(name, raising=False)
    if key:
        monkeypatch.setenv(kind.key, key)
    for name, value in kind.variables.items():
        monkeypatch.setenv(name, value[1:] if value.startswith("=") else remote.url + value)
    monkeypatch.setattr(_pace, "BASE", 0.01)
    remote.play(said(HOLDS | {"data": [{"id": "m", "object": "model"}], "models": [{"name": "models/m"}]}))
    model = load(kind.name.replace("URL", f"{remote.url}/v1"))
    remote.play(said({}))
    return model


def test_all_providers_are_here() -> None:
    assert {kind.name.partition(":")[0] for kind in KINDS if kind.name != "URL#m"} | {"http", "https"} == set(HOSTED)


@each
def test_answers(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(kind, remote, monkeypatch)
    assert isinstance(model, Model) and model.context > 0
    remote.play(said(kind.answer()))
    (answer,) = model.generate([TURNS], GenerateOptions(max_tokens=7, stop=("\n",), sampling=Sampling(0.5, top_p=0.9)))
    assert (answer.text, answer.finish_reason, answer.usage) == ("你好 there", "stop", kind.usage)
    assert answer.seconds > 0 and answer.first_token_seconds > 0
    (seen,) = remote.seen
    assert (seen.method, seen.path) == ("POST", kind.path) and seen.headers[kind.header].endswith(KEY)
    sent = str(seen.body)
    assert all(word in sent for word in ("Be brief.", "你好", "Who?", "7", "0.5", "0.9", "\\n"))


@each
def test_several_prompts_keep_their_order(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(kind, remote, monkeypatch)
    prompts: list[Any] = [[{"role": "user", "content": f"<{number}>"}] for number in range(20)]
    remote.play(lambda seen: said(kind.answer(str(seen.body).partition("<")[2].partition(">")[0])))
    assert [one.text for one in model.generate(prompts)] == [str(number) for number in range(20)]


@each
def test_streams(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(kind, remote, monkeypatch)
    remote.play(kind.stream())
    *pieces, last = model.stream(TURNS)
    assert [one.text for one in pieces] == ["你好", " there"]
    assert last.completion.text == "你好 there" and last.completion.finish_reason == "stop"
    assert last.completion.usage == kind.usage and 0 < last.completion.first_token_seconds <= last.completion.seconds


@each
def test_a_cut_stream_is_no_answer(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(kind, remote, monkeypatch)
    remote.play(kind.cut())
    pieces = model.stream(TURNS)
    assert next(pieces).text == "你好"
    with pytest.raises(ProviderError, match="broke off after 2 characters") as caught:
        next(pieces)
    assert caught.value.retryable


@each
def test_closing_a_stream_ends_the_request(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(kind, remote, monkeypatch)
    piece = gemini("a", None) if kind.answer is gemini else chunk("a")
    remote.play(streamed(*[piece] * 200, pause=0.02))
    pieces = model.stream(TURNS)
    next(pieces)
    pieces.close()
    assert remote.gone.wait(3)


@each
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503])
def test_refusals_become_one_tree(kind: Kind, status: int, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(kind, remote, monkeypatch)
    remote.play(said(kind.refusal(status, "because"), status))
    with pytest.raises((ProviderError, UnknownName)) as caught:
        model.generate([TURNS])
    error: Any = caught.value
    if status == 404 and isinstance(error, UnknownName):
        return
    assert "because" in error.message and (error.status, error.retryable) == (status, status in (429, 500, 503))
    if status in (401, 403):
        assert kind.key in error.hint
    if status == 404:
        assert "'m'" in error.message


@each
@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": [{}]}, {"choices": 3}, {"candidates": [3]}])
def test_another_form_is_told(kind: Kind, body: Any, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(kind, remote, monkeypatch)
    remote.play(said(body))
    try:
        (answer,) = model.generate([TURNS])
        assert (answer.text, answer.finish_reason) == ("", "error")  # Gemini leaves out what is empty
    except ProviderError as error:
        assert "another form" in error.message


@each
def test_too_long_is_a_context_overflow(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(kind, remote, monkeypatch)
    if kind.answer is gemini:
        text = "The input token count (9999) exceeds the maximum number of tokens allowed (1000)."
    else:
        text = "This model's maximum context length is 1000 tokens. However, your messages resulted in 9999 tokens."
    remote.play(said(kind.refusal(400, text), 400))
    with pytest.raises(ContextOverflow) as caught:
        model.generate([TURNS])
    assert (caught.value.got, caught.value.limit) == (9999, 1000)


@each
def test_what_was_answered_is_not_paid_twice(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(kind, remote, monkeypatch)
    asked: list[str] = []

    def play(seen: Any) -> Play:
        asked.append(str(seen.body))
        bad = "<3>" in asked[-1]
        return said(kind.refusal(400, "not this one"), 400) if bad else said(kind.answer("yes"))

    prompts: list[Any] = [[{"role": "user", "content": f"<{number}>"}] for number in range(4)]
    remote.play(play)
    with pytest.raises(ProviderError, match="not this one"):
        model.generate(prompts)
    before = len(asked)
    assert [model.generate([prompt])[0].text for prompt in prompts[:3]] == ["yes"] * 3
    answered = sum("<3>" not in body for body in asked[:before])
    assert len(asked) - before == 3 - answered


@each
def test_a_missing_key_names_its_variable(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind.name == "URL#m":
        model = open_model(kind, remote, monkeypatch, key="")
        remote.play(said(chat()))
        model.generate([TURNS])
        assert kind.header not in remote.seen[0].headers
        return
    with pytest.raises(ProviderError, match=kind.key) as caught:
        open_model(kind, remote, monkeypatch, key="")
    assert f"export {kind.key}=" in caught.value.hint


@each
def test_a_key_that_no_header_can_carry(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=kind.key) as caught:
        open_model(kind, remote, monkeypatch, key="sk-秘密\nx")
    assert "秘密" not in str(caught.value)


@each
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sampled_from([200, 400, 401, 404, 429, 500]), place=st.sampled_from(["message", "html", "event", "type"])
)
def test_no_key_in_anything_shown(
    kind: Kind, status: int, place: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may repeat the key wherever it likes."""
    caplog.clear()
    with running() as remote, caplog.at_level(logging.DEBUG):
        model = open_model(kind, remote, monkeypatch)
        plays = {
            "message": said(kind.refusal(status, f"Incorrect API key: {KEY}"), status),
            "html": Play((f"<p>{KEY}</p>".encode(),), status, "text/html"),
            "event": streamed({"error": {"message": f"bad key {KEY}", "code": 401}}, status=status),
            "type": said({"choices": [{"message": {"content": 3}, KEY: KEY}], "candidates": KEY}, status),
        }
        remote.play(plays[place])
        call = model.transport.call()
        shown = [repr(model), repr(model.transport), repr(model.transport.key), str(vars(call.client))]
        call.end()
        for work in (lambda: model.generate([TURNS]), lambda: list(model.stream(TURNS))):
            try:
                shown.append(repr(work()))
            except SibaoError as error:
                shown += [str(error), repr(error), error.hint, str(error.to_json()), *traceback.format_exception(error)]
        model.close()
    shown += [record.getMessage() for record in caplog.records]
    assert [text for text in shown if KEY in text] == []


@pytest.mark.parametrize(
    "name", ["openai:m", "ai21:m", "google:m", "http://192.168.1.7:1/v1#m", "https://example.org/v1#m"]
)
def test_offline_means_offline(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KINDS:
        monkeypatch.setenv(kind.key, KEY)
        for variable in kind.variables:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("SIBAO_OFFLINE", raising=False)
    with pytest.raises(ProviderError, match="Sibao is offline") as caught:
        load(name)
    place = place_of(name)
    assert "SIBAO_OFFLINE=0" in caught.value.hint and place is not None and not place.here
    assert place.host in caught.value.message


@each
def test_nothing_is_left_out_in_silence(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(kind, remote, monkeypatch)
    remote.play(said(kind.answer()))
    with pytest.raises(BadInput, match="does not know num_beams, adapter"):
        model.generate([TURNS], GenerateOptions(sampling=Sampling(num_beams=4), adapter="folder"))
    with pytest.raises(BadInput, match="max_tokens is 0"):
        model.generate([TURNS], GenerateOptions(max_tokens=0))
    for prompt in ([], [{"role": "user"}], ["x"]):
        with pytest.raises(BadInput):
            model.generate([prompt])
    assert remote.seen == []


@each
@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "https://example.org/a.png", "file:///etc/passwd", "/etc/passwd"]
)
def test_no_prompt_makes_it_fetch(kind: Kind, url: str, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(kind, remote, monkeypatch)
    for part in ({"type": "image_url", "image_url": {"url": url}}, {"type": "image", "image": url}):
        content: Any = [{"type": "text", "text": "see"}, part]
        with pytest.raises(BadInput):
            model.generate([[{"role": "user", "content": content}]])
    assert remote.seen == []


PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00"
    b"\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)


@each
def test_pictures_are_sent_as_data(kind: Kind, remote: Remote, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    model = open_model(kind, remote, monkeypatch)
    (tmp_path / "a.png").write_bytes(PIXEL)
    content: Any = [{"type": "text", "text": "what?"}, {"type": "image", "image": str(tmp_path / "a.png")}]
    remote.play(said(kind.answer()))
    if not kind.sees:
        with pytest.raises(BadInput, match="reads text only"):
            model.generate([[{"role": "user", "content": content}]])
        return
    model.generate([[{"role": "user", "content": content}]])
    sent = str(remote.seen[0].body)
    assert "iVBORw0KGgo" in sent and "image/png" in sent and "what?" in sent and str(tmp_path) not in sent
