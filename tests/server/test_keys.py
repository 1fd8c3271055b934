"""API keys and their limits over HTTP."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from tests.remote import COUNTED, chunk, failure, running, said, streamed
from tests.serving import Served, serving

from sibao.core import config
from sibao.core.errors import BadInput, ConfigError, Refused
from sibao.server.keys import Caller, Keys, new_key, read
from sibao.store import database

ECHO = ("--model", "echo=mock:echo")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database of this test's own."""
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    config.reload()
    yield
    database.close()
    config.reload()


def test_keys_over_http(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    make = [sys.executable, "-m", "sibao", "serve", "--keys", str(file), "--new-key"]
    free = subprocess.run([*make, "free"], capture_output=True, text=True, check=True).stdout.strip()
    tight = subprocess.run(
        [*make, "tight", "--requests-per-minute", "2"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert free.startswith("sk-sibao-") and free not in file.read_text() and file.stat().st_mode & 0o077 == 0
    with serving(tmp_path, *ECHO, "--keys", str(file)) as server:
        url = f"{server.url}/v1"
        ask = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/api/votes"):
            answer = server.post(path, ask)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer", path
        assert server.http.get("/v1/models").status_code == 401 and server.http.get("/metrics").status_code == 401
        assert server.http.get("/health").status_code == 200
        with (
            OpenAI(base_url=url, api_key="sk-wrong", max_retries=0) as sdk,
            pytest.raises(openai.AuthenticationError) as wrong,
        ):
            sdk.models.list()
        assert wrong.value.code == "invalid_api_key"
        with OpenAI(base_url=url, api_key=free, max_retries=0) as sdk:
            for _ in range(3):
                assert sdk.chat.completions.create(**ask).choices  # type: ignore[call-overload]
        with OpenAI(base_url=url, api_key=tight, max_retries=0) as sdk:
            for _ in range(2):
                sdk.chat.completions.create(**ask)  # type: ignore[call-overload]
            with pytest.raises(openai.RateLimitError) as limited:
                sdk.chat.completions.create(**ask)  # type: ignore[call-overload]
        assert limited.value.code == "rate_limit_exceeded" and int(limited.value.response.headers["retry-after"]) > 1


def test_a_key_is_the_callers_only_by_its_hash(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    key = new_key(file, "one", tokens_per_minute=10)
    keys = Keys(file)
    caller = keys.caller(key)
    assert caller.name == "one"
    caller.admit()
    caller.used(25)
    with pytest.raises(Refused, match="tokens"):
        caller.admit()
    with pytest.raises(BadInput):
        new_key(file, "one")


def test_a_file_that_goes_opens_no_door(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    key = new_key(file, "one")
    keys = Keys(file)
    text = file.read_text()
    file.write_text("not toml [")
    assert keys.needed and keys.caller(key).name == "one"
    file.unlink()
    with pytest.raises(Refused):
        keys.caller(None)
    file.write_text(text)
    new_key(file, "two")
    assert keys.caller(key).name == "one"
    with pytest.raises(ConfigError):
        Keys(tmp_path / "none.toml")


def test_a_file_without_keys_lets_nobody_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "keys.toml"
    file.write_text("")
    with caplog.at_level(logging.WARNING, "sibao.server"):
        keys = Keys(file)
    assert "holds no key, so nobody is let in" in caplog.text
    for key in (None, "sk-sibao-x"):
        with pytest.raises(Refused) as refused:
            keys.caller(key)
        assert keys.needed and refused.value.status == 401
    key = new_key(file, "one")
    assert keys.caller(key).name == "one"
    file.write_text("")  # the last key is taken away, or an editor is about to write
    with pytest.raises(Refused):
        keys.caller(key)
    assert Keys(None).caller(None).name == ""


def test_a_key_that_stays_in_the_file_is_the_same_caller(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    key = new_key(file, "one", budget=1.0, requests_per_minute=5)
    keys = Keys(file)
    before = keys.caller(key)
    before.admit()
    new_key(file, "two")
    assert keys.caller(key) is before and before.requests is not None and before.requests.left < 5
    file.write_text(file.read_text().replace("budget = 1.0", "budget = 3.0"))
    assert keys.caller(key).budget == 3.0


def test_a_restart_refills_no_budget(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    key, other = new_key(file, "one", budget=1.0), new_key(file, "two", budget=1.0)
    keys = Keys(file)
    keys.caller(key).used(1, 0.75)
    keys.caller(key).used(1, 0.75)
    keys.close()
    again = Keys(file)
    assert again.caller(key).left == -0.5 and again.caller(other).left == 1.0
    with pytest.raises(Refused, match="budget"):
        again.caller(key).admit()
    file.write_text(file.read_text().replace("budget = 1.0", "budget = 2.0"))
    again.caller(key).admit()


def test_what_work_may_cost_is_reserved(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    caller = Keys(file if new_key(file, "one") else None).caller(new_key(file, "two", budget=1.0))
    caller.reserve(0.75)
    with pytest.raises(Refused, match=r"may cost 0\.5, .* has 0\.25 left") as refused:
        caller.reserve(0.5)
    assert refused.value.code == "insufficient_quota"
    caller.used(0, 0.25 - 0.75)  # it took 0.25
    caller.reserve(0.5)
    assert caller.left == 0.25


def test_a_budget_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    caller = Keys(file if new_key(file, "one", budget=1.0) else None).caller(new_key(file, "two", budget=1.0))
    caller.admit()
    caller.used(1, 1.5)
    with pytest.raises(Refused, match="budget") as spent:
        caller.admit()
    assert spent.value.status == 429


def test_what_a_hosted_model_costs_is_taken_from_the_keys_budget(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    key = new_key(file, "one", budget=1.0)
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 2_000_000, "total_tokens": 3_000_000}
    ask = {"model": "there", "messages": [{"role": "user", "content": "hi"}]}
    with running() as remote:
        remote.play(streamed(chunk("hi"), chunk("", "stop"), COUNTED | {"usage": usage}))
        flags = ("--model", "there=openai:gpt-4o-mini", "--keys", str(file))
        known = {"OPENAI_API_KEY": "sk-there", "OPENAI_BASE_URL": f"{remote.url}/v1"}
        with (
            serving(tmp_path, *flags, **known) as server,
            OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as sdk,
        ):
            assert sdk.chat.completions.create(**ask).choices[0].message.content == "hi"  # type: ignore[call-overload]
            with pytest.raises(openai.RateLimitError) as spent:  # 0.15 + 2 * 0.60 of a budget of 1
                sdk.chat.completions.create(**ask)  # type: ignore[call-overload]
            assert spent.value.code == "insufficient_quota" and len(remote.seen) == 1
    with (
        serving(tmp_path, "--model", "dark=openai:nobody-knows-it", "--keys", str(file), **known) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as sdk,
        pytest.raises(openai.PermissionDeniedError, match="price"),
    ):
        sdk.chat.completions.create(**ask | {"model": "dark"})  # type: ignore[call-overload]


def test_who_hangs_up_pays_for_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    key = new_key(file, "one", budget=1e-9)
    ask = {"model": "there", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    flags = ("--model", "there=openai:gpt-4o-mini", "--keys", str(file))
    with running() as remote:
        remote.play(streamed(*[chunk("two words ")] * 200, chunk("", "stop"), COUNTED, pause=0.05))
        known = {"OPENAI_API_KEY": "sk-there", "OPENAI_BASE_URL": f"{remote.url}/v1"}
        with serving(tmp_path, *flags, **known) as server:
            server.http.headers["authorization"] = f"Bearer {key}"
            with server.http.stream("POST", "/v1/chat/completions", json=ask) as answer:
                assert any("two words" in line for line in answer.iter_lines())
            assert remote.gone.wait(5)
            until(lambda: tokens_of(server, "completion") > 0)
            assert tokens_of(server, "prompt") > 0 and tokens_of(server, "completion") < 100
            assert server.post("/v1/chat/completions", ask).status_code == 429
            assert server.ends() == 0
        with serving(tmp_path, *flags, **known) as server:
            server.http.headers["authorization"] = f"Bearer {key}"
            spent = server.post("/v1/chat/completions", ask)
            assert spent.status_code == 429 and spent.json()["error"]["code"] == "insufficient_quota"
    assert len(remote.seen) == 1


def test_many_at_once_spend_no_more_than_one(tmp_path: Path) -> None:
    """The first answer may go beyond the budget, as one alone may; while it is made nothing is left for others."""
    file = tmp_path / "keys.toml"
    key = new_key(file, "one", budget=1e-5)
    ask = {"model": "there", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}
    with running() as remote:
        remote.play(streamed(*[chunk("two words ")] * 20, chunk("", "stop"), COUNTED, pause=0.1))
        known = {"OPENAI_API_KEY": "sk-there", "OPENAI_BASE_URL": f"{remote.url}/v1"}
        with serving(tmp_path, "--model", "there=openai:gpt-4o-mini", "--keys", str(file), **known) as server:
            server.http.headers["authorization"] = f"Bearer {key}"
            with ThreadPoolExecutor(4) as pool:
                first = pool.submit(server.post, "/v1/chat/completions", ask)
                until(lambda: len(remote.seen) == 1)
                others = [pool.submit(server.post, "/v1/chat/completions", ask) for _ in range(3)]
                for other in others:
                    answer = other.result()
                    assert answer.status_code == 429 and "under way" in answer.json()["error"]["message"]
                    assert answer.headers["retry-after"] == "5"
                assert first.result().status_code == 200
    assert len(remote.seen) == 1


def test_what_is_held_is_given_back() -> None:
    caller = Caller("one", budget=1.0)
    with caller.hold(0.6), caller.hold(0.6), pytest.raises(Refused, match="under way"), caller.hold(0.1):
        pass
    assert caller.left == 1.0
    with pytest.raises(RuntimeError), caller.hold(0.7):
        raise RuntimeError
    assert caller.left == 1.0 and Caller("free").left is None


def test_answers_are_counted_though_another_of_the_request_fails(tmp_path: Path) -> None:
    with running() as remote:
        good = streamed(chunk("hi"), chunk("", "stop"), COUNTED)
        remote.play(good, said(failure("never"), 400))
        known = {"OPENAI_API_KEY": "sk-there", "OPENAI_BASE_URL": f"{remote.url}/v1"}
        with serving(tmp_path, "--model", "there=openai:gpt-4o-mini", **known) as server:
            ask = {"model": "there", "n": 2, "messages": [{"role": "user", "content": "hi"}]}
            assert server.post("/v1/chat/completions", ask).status_code == 400
            assert tokens_of(server, "prompt") > 0


def tokens_of(server: Served, kind: str) -> float:
    """Tokens that were counted for the hosted model; 0 where it was never used."""
    try:
        return server.metric(f'sibao_tokens_total{{kind="{kind}",model="there"}}')
    except KeyError:
        return 0.0


def until(what: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_names_of_keys_may_be_chinese(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    keys = {name: new_key(file, name) for name in ("laptop", "手机", "a-b_9")}
    for name, key in keys.items():
        assert Keys(file).caller(key).name == name
    for name in ("", "a b", "a.b", "x" * 65, 'a"]', "a\n"):
        with pytest.raises(BadInput):
            new_key(file, name)
    assert set(read(file)) == set(keys)


@pytest.mark.parametrize("limit", [{"budget": float("nan")}, {"budget": -1.0}, {"requests_per_minute": 0.0}])
def test_a_limit_that_is_none_is_told(tmp_path: Path, limit: dict[str, float]) -> None:
    file = tmp_path / "keys.toml"
    with pytest.raises(BadInput, match="wanted a number above 0"):
        new_key(file, "one", **limit)
    assert not file.exists()
