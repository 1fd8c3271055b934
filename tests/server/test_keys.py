"""API keys and their limits over HTTP."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from tests.remote import COUNTED, chunk, running, streamed
from tests.serving import serving

from sibao.core.errors import BadInput, ConfigError, Refused
from sibao.server.keys import Keys, new_key

ECHO = ("--model", "echo=mock:echo")


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
