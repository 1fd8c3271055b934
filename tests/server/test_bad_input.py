"""What strangers send: each is a 4xx in the protocol's form, quickly, and the server answers the next one."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.serving import Served

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
POSTS = (CHAT, TEXT, "/v1/embeddings", "/v1/responses")
JSON = {"content-type": "application/json"}
MILLION = 1 << 20


@pytest.fixture(autouse=True)
def still_there(served: Served) -> Iterator[None]:
    yield
    assert served.post(TEXT, {"model": "echo", "prompt": "ok", "max_tokens": 2}).json()["choices"][0]["text"] == "ok"


def refused(answer: httpx.Response, status: int = 400) -> str:
    """The message of a failure in OpenAI's form."""
    assert answer.status_code == status, answer.text[:500]
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and "Traceback" not in error["message"]
    assert len(answer.content) < 4000
    return str(error["message"])


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"1", b'"x"', b'{"model": }', b"\xff\xfe{}", b'{"prompt": "\xff"}', b"[" * 60,
        b'{"a":' * 100 + b"1" + b"}" * 100, b"[" * 100000, b'{"seed": ' + b"9" * 5000 + b"}", b'{"temperature": NaN}',
        b'{"temperature": Infinity}', b"\x00", b'{"model": "\\u0000"}', b"{}",
    ],
    ids=lambda body: body[:12].decode("latin-1"),
)  # fmt: skip
def test_malformed_json(served: Served, path: str, body: bytes) -> None:
    refused(served.http.post(path, content=body, headers=JSON))


WRONG: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"messages": "hi"}), (CHAT, {"messages": [1]}), (CHAT, {"messages": [{"role": "king", "content": "x"}]}),
    (CHAT, {"messages": [{"role": "user"}]}), (CHAT, {"messages": [{"content": "x"}]}),
    (CHAT, {"messages": [{"role": "user", "content": {"a": 1}}]}), (CHAT, {"messages": [{"role": "user", "content": []}]}),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}),
    (TEXT, {"prompt": {"a": 1}}), (TEXT, {"prompt": [1, "a"]}), (TEXT, {"prompt": [-1]}), (TEXT, {"prompt": [1.5]}),
    (TEXT, {"prompt": [[]]}), (TEXT, {"prompt": "x", "temperature": "hot"}), (TEXT, {"prompt": "x", "n": True}),
    (TEXT, {"prompt": "x", "max_tokens": "5"}), (TEXT, {"prompt": "x", "stop": [1]}), (TEXT, {"prompt": "x", "n": 17}),
    (TEXT, {"prompt": "x", "stop": ["a"] * 17}), (TEXT, {"prompt": "x", "stream": "yes"}), (TEXT, {"prompt": "x", "foo": 1}),
    (TEXT, {"prompt": "x", "model": 7}), (TEXT, {"prompt": "x", "model": ["mini"]}), (TEXT, {"prompt": "x", "top_p": 0}),
    (TEXT, {"prompt": "x", "seed": 1 << 64}), (TEXT, {"prompt": "x", "logit_bias": {"1": 1e9}}),
    (TEXT, {"prompt": "x", "logit_bias": {"999999": 1}}), (TEXT, {"prompt": "x", "stream_options": {}}),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "xml"}}),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema"}}),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "max_tokens": 4, "max_completion_tokens": 5}),
    (CHAT, {"messages": [{"role": "user", "content": "x"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}}}),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "functions": [{"name": "f"}]}),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "a b"}}]}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), WRONG, ids=lambda value: json.dumps(value)[:60])
def test_wrong_types_and_bounds(served: Served, path: str, body: dict[str, Any]) -> None:
    refused(served.post(path, body))


def test_half_a_surrogate_pair_is_no_text(served: Served) -> None:
    half = b'"\\ud800"'
    for path, body in (
        (TEXT, b'{"model": "mini", "prompt": %s}'), (TEXT, b'{"model": "echo", "prompt": "x", "stop": %s}'),
        (CHAT, b'{"messages": [{"role": "user", "content": %s}]}'), (TEXT, b'{"model": %s, "prompt": "x"}'),
        ("/v1/embeddings", b'{"input": [%s]}'), ("/v1/responses", b'{"input": %s}'),
        (CHAT, b'{"messages": [{"role": "user", "content": "x"}], "metadata": {"a": %s}}'),
        (CHAT, b'{"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": '
               b'{"name": "f", "parameters": {"type": "object", "properties": {"a": {"enum": [%s]}}}}}]}'),
    ):  # fmt: skip
        refused(served.http.post(path, content=body % half, headers=JSON))
    whole = served.http.post(TEXT, content=b'{"model": "echo", "prompt": "\\ud83d\\udc4d"}', headers=JSON)
    assert whole.json()["choices"][0]["text"] == "👍"


def test_a_prompt_of_megabytes(served: Served) -> None:
    begun = time.monotonic()
    assert "bytes" in refused(served.post(TEXT, {"prompt": "a" * (10 * MILLION)}), 413)
    long = refused(served.post(TEXT, {"model": "mini", "prompt": "the cat " * (MILLION // 2), "max_tokens": 1}))
    assert "512" in long and time.monotonic() - begun < 60
    many = refused(served.post(TEXT, {"model": "mini", "prompt": [1] * MILLION, "max_tokens": 1}))
    assert "512" in many


def test_others_are_answered_while_a_long_prompt_is_read(served: Served) -> None:
    from concurrent.futures import ThreadPoolExecutor

    body = {"model": "mini", "prompt": "the cat " * (MILLION // 2), "max_tokens": 1}
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(served.post, TEXT, body)
        waits = []
        while not slow.done():
            begun = time.monotonic()
            served.http.get("/health")
            waits.append(time.monotonic() - begun)
    assert slow.result().status_code == 400 and max(waits) < 2


def test_too_many_brackets_and_none(served: Served) -> None:
    deep = {"model": "echo", "prompt": "[" * 5000 + '"{', "max_tokens": 1}
    assert served.post(TEXT, deep).status_code == 200  # within a string they are text
    begun = time.monotonic()
    refused(served.http.post(TEXT, content=b"[" + b"[]," * (2 * MILLION) + b"[]]", headers=JSON))
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type(served: Served, kind: str) -> None:
    answer = served.http.post(TEXT, content=b'{"prompt": "x"}', headers={"content-type": kind})
    refused(answer, 415)


def test_other_methods_and_places(served: Served) -> None:
    assert served.http.get(TEXT).status_code == 405 and served.http.delete("/v1/models").status_code == 405
    refused(served.http.get("/v1/nothing"), 404)
    refused(served.http.get("/v1/responses/resp_1"), 404)


def test_another_hosts_name_is_refused(served: Served) -> None:
    """A page of another site must not reach a loopback server by a name that it made point here."""
    assert served.http.get("/health", headers={"host": "evil.example"}).status_code == 403
    assert served.http.get("/health", headers={"host": "localhost:1"}).status_code == 200
    answer = served.http.get("/v1/models", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


def raw(served: Served, data: bytes, seconds: float = 5.0) -> bytes:
    """What comes back for bytes on the wire, first of it."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as line:
        line.sendall(data)
        return line.recv(4096)


def test_a_host_that_is_none_is_refused(served: Served) -> None:
    for host in (b"[", b"[::1", b"]:80", b"[x]y"):
        answer = raw(served, b"GET /health HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
        assert answer.startswith(b"HTTP/1.1 403"), (host, answer)


def test_floods_of_headers(served: Served) -> None:
    start = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    many = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 100) for number in range(2000))
    assert raw(served, start + many + b"\r\n").startswith(b"HTTP/1.1 431")
    assert raw(served, start + b"X: " + b"a" * 300_000).startswith(b"HTTP/1.1 431")
    assert raw(served, b"GET /" + b"a" * 300_000).startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
    assert raw(served, start + b"X: " + b"a" * 30_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_bytes_that_are_no_http(served: Served) -> None:
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n\r\n\x00\x00", b"GET / HTTP/9.9\r\n\r\n"):
        assert raw(served, data).startswith(b"HTTP/1.1 400"), data
    length = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n"
    assert raw(served, length).startswith(b"HTTP/1.1 400")
    for length in (b"99999999999", b"9" * 40):
        head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n" % length
        assert raw(served, head).startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))


@pytest.mark.slow
def test_slow_clients_are_sent_away(served: Served) -> None:
    begun = time.monotonic()
    assert raw(served, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX:", 20).startswith(b"HTTP/1.1 408")
    assert time.monotonic() - begun < 15
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"
    assert raw(served, head, 60).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("path", "body", "param", "said"),
    [
        (TEXT, {"prompt": "x", "stop": ["a"] * 17}, "stop", "at most 16"),
        (TEXT, {"prompt": "x", "stop": [1]}, "stop.0", "valid string"),
        (TEXT, {"prompt": ["x"] * 2049}, "prompt", "at most 2048"),
        ("/v1/embeddings", {"input": []}, "input", "at least 1"),
        (CHAT, {"messages": [{"role": "assistant", "content": "x", "colour": "red"}]}, "messages.0.colour", "Extra"),
        (CHAT, {"messages": [{"role": "user"}]}, "messages.0.content", "required"),
        (CHAT, {"messages": [{"role": "user", "content": 5}]}, "messages.0.content", "valid string"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text", "required"),
        (CHAT, {"messages": [{"role": "user", "content": "x"}], "tool_choice": {"type": "function"}},
         "tool_choice.function", "required"),
    ],
)  # fmt: skip
def test_the_field_that_is_wrong_is_named(served: Served, path: str, body: Any, param: str, said: str) -> None:
    answer = served.post(path, body)
    assert said in refused(answer) and answer.json()["error"]["param"] == param, answer.text


def test_a_body_that_is_none_names_no_field(served: Served) -> None:
    for sent in (b'{"model": ', b"", b"null"):
        answer = served.http.post(TEXT, content=sent, headers=JSON)
        assert refused(answer) and answer.json()["error"]["param"] is None
    assert "no JSON, at character" in refused(served.http.post(TEXT, content=b'{"model": ', headers=JSON))
    packed = JSON | {"content-encoding": "gzip"}
    assert "compressed" in refused(served.http.post(TEXT, content=b"\x1f\x8b\x08", headers=packed), 415)


def test_a_wrong_value_is_no_missing_thing(served: Served) -> None:
    for body in ({"prompt": "x", "form": "opera"}, {"prompt": "x", "form": "poem", "style": "opera"}):
        answer = served.post("/v1/tasks/generate", body)
        assert answer.status_code == 400 and "opera" in answer.json()["error"]["message"]


def test_heads_and_methods(served: Served) -> None:
    for path in ("/health", "/v1/models", "/"):
        head, whole = served.http.head(path), served.http.get(path)
        assert head.status_code == 200 and not head.content
        assert head.headers["content-length"] == whole.headers["content-length"]
    assert served.http.delete("/v1/models").headers["allow"] == "GET"
