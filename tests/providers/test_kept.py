"""What a hosted model has answered is kept, also where another row failed or the user interrupted."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.remote import Play, Remote, Seen, chat, failure, said

from sibao.core.errors import ProviderError
from sibao.core.types import GenerateOptions, Message
from sibao.evaluation.cached import cached
from sibao.providers.load import load


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))


PROMPTS: list[list[Message]] = [[{"role": "user", "content": word}] for word in "abcdefgh"]
OPTIONS = GenerateOptions(max_tokens=5)


def asked(remote: Remote) -> list[str]:
    return sorted(seen.body["messages"][0]["content"] for seen in remote.seen)


def test_answers_beside_a_failure_are_kept_at_once(hosted: Remote) -> None:
    def bad(seen: Seen) -> Play:
        if seen.body["messages"][0]["content"] != "e":
            return said(chat())
        time.sleep(0.2)
        return said(failure("never"), 400)

    hosted.play(bad)
    with pytest.raises(ProviderError, match="never"):
        cached(load("openai:m"), "m#kept").generate(PROMPTS, OPTIONS)
    hosted.play(said(chat()))
    again: Any = cached(load("openai:m"), "m#kept")
    assert len(again.generate(PROMPTS, OPTIONS)) == 8 and asked(hosted) == ["e"]
    assert (again.fresh, again.kept) == (1, 7)


def test_an_interrupt_keeps_what_is_there(hosted: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    hosted.play(lambda seen: Play(hang=True) if seen.body["messages"][0]["content"] == "h" else said(chat()))
    join = threading.Thread.join

    def interrupted(self: threading.Thread, timeout: float | None = None) -> None:
        join(self, 0.5)
        if self.is_alive():
            raise KeyboardInterrupt

    model = load("openai:m")
    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached(model, "m#stopped").generate(PROMPTS, OPTIONS)
    monkeypatch.setattr(threading.Thread, "join", join)
    model.close()  # type: ignore[attr-defined]
    hosted.play(said(chat()))
    assert len(cached(load("openai:m"), "m#stopped").generate(PROMPTS, OPTIONS)) == 8 and asked(hosted) == ["h"]
