"""What a server says comes through in words: without the key, however it is spelled, and without what steers a terminal."""

from __future__ import annotations

import json

import pytest
from tests.remote import JSON, Play, Remote, failure, said

from sibao.core.errors import ProviderError
from sibao.providers._http import Transport
from sibao.providers._keys import Key
from sibao.providers._pace import Policy
from sibao.providers._place import place_of

SECRET = 'sk-SECRET/0123+456=789"abc'
ESCAPED = "".join(f"\\u{ord(char):04X}" for char in SECRET)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", SECRET)


def transport(remote: Remote) -> Transport:
    return Transport("a:model", place_of(remote.url, "url"), Key(("SOME_KEY",)), Policy(retries=0, total=5))


def fault(remote: Remote, play: Play) -> ProviderError:
    remote.play(play)
    with pytest.raises(ProviderError) as caught:
        transport(remote).json("POST", "/x", {})
    return caught.value


@pytest.mark.parametrize(
    "spelled",
    [
        json.dumps(SECRET)[1:-1], json.dumps(SECRET)[1:-1].replace("/", "\\/").replace("=", "\\u003d"), ESCAPED,
        SECRET.replace("/", "%2F").replace("+", "%2b").replace('"', "%22"),
        SECRET.replace('"', "&quot;").replace("=", "&#61;").replace("+", "&#x2B;"),
    ],
    ids=["JSON", "JSON of PHP", "JSON in escapes", "URL", "HTML"],
)  # fmt: skip
@pytest.mark.parametrize("form", ['{"error": {"message": "bad key %s", "code": 401}}', "bad key %s", '{"cut": "%s'])
def test_the_key_is_hidden_however_it_is_spelled(remote: Remote, form: str, spelled: str) -> None:
    error = fault(remote, Play(((form % spelled).encode(),), 401, JSON))
    assert "[key]" in error.message and "SECRET" not in error.message and "\\u0053\\u0045" not in error.message


def test_the_key_is_hidden_before_a_message_is_cut(remote: Remote) -> None:
    for before in range(60, 80):
        error = fault(remote, Play((("x" * before + SECRET).encode(),)))
        assert "is no JSON" in error.message and "sk-" not in error.message
    for before in range(480, 500):
        assert "sk-S" not in fault(remote, said(failure("x" * before + SECRET), 400)).message


def test_the_key_is_hidden_in_headers(remote: Remote) -> None:
    for play in (Play((b"{}",), kind=f"text/{SECRET}"), Play(status=302, headers={"Location": f"http://{SECRET}/"})):
        assert "secret" not in fault(remote, play).message.lower()


def test_no_message_steers_a_terminal(remote: Remote) -> None:
    words = "bad \x1b]0;PWNED\x07\x1b[31mred\x9b2J\u202eend 你好"
    for play in (said(failure(words), 400), Play((words.encode(),), 400, "text/plain")):
        message = fault(remote, play).message
        assert message.isprintable() and "red" in message and "你好" in message
