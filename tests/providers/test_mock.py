"""The shipped mocks: the same answer every time, limits and failures as a real provider has them."""

from __future__ import annotations

import time

import pytest

from sibao.core.errors import BadInput, ProviderError, UnknownName
from sibao.core.types import GenerateOptions, Message, Model, Usage
from sibao.providers.load import load


def test_echo_answers_with_the_last_message() -> None:
    model = load("mock:echo")
    assert isinstance(model, Model)
    messages: list[Message] = [Message(role="system", content="规则"), Message(role="user", content="你好")]
    raw, chat = model.generate(["hello", messages])
    assert (raw.text, raw.finish_reason, raw.usage) == ("hello", "stop", Usage(5, 5))
    assert (chat.text, chat.usage) == ("你好", Usage(4, 2))


def test_reverse_and_empty() -> None:
    assert load("mock:reverse").generate(["你好"])[0].text == "好你"
    assert load("mock:empty").generate(["你好"])[0].text == ""


def test_limits_are_kept() -> None:
    model = load("mock:echo")
    cut = model.generate(["abcdef"], GenerateOptions(max_tokens=3))[0]
    assert (cut.text, cut.finish_reason, cut.usage.completion_tokens) == ("abc", "length", 3)
    stopped = model.generate(["abcdef"], GenerateOptions(max_tokens=4, stop=("d", "ef")))[0]
    assert (stopped.text, stopped.finish_reason) == ("abc", "stop")
    with pytest.raises(BadInput, match="max_tokens is 0"):
        model.generate(["a"], GenerateOptions(max_tokens=0))


def test_streamed_is_whole() -> None:
    *pieces, last = load("mock:echo").stream("你好吗")
    assert [p.text for p in pieces] == ["你", "好", "吗"]
    assert last.completion is not None and last.completion.text == "你好吗"


@pytest.mark.parametrize(("status", "retryable"), [(400, False), (401, False), (429, True), (500, True)])
def test_failures_say_whether_to_try_again(status: int, retryable: bool) -> None:
    with pytest.raises(ProviderError, match=f"mock:fail-{status}: ") as caught:
        load(f"mock:fail-{status}").generate(["a"])
    assert (caught.value.status, caught.value.retryable) == (status, retryable)


def test_slow_takes_its_time() -> None:
    started = time.perf_counter()
    answer = load("mock:slow").generate(["abc"])[0]
    assert time.perf_counter() - started >= answer.seconds > 0.14
    assert 0 < answer.first_token_seconds < answer.seconds


def test_unknown_mocks_name_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no mock model named 'ecko'") as caught:
        load("mock:ecko")
    assert "echo" in caught.value.hint
