"""Sibao's own server as a provider: over HTTP a model writes, streams and scores as it does in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.serving import Served, serving

from sibao.core.errors import ContextOverflow, UnknownName
from sibao.core.types import GenerateOptions, Message, Sampling
from sibao.providers.load import load

TURNS: list[Message] = [{"role": "user", "content": "Who wrote this book?"}]
PROMPTS: list[Any] = ["Once upon a time", "从前有一个人，", TURNS]
PAIRS: list[tuple[Any, str]] = [("Once upon", " a time"), ("从前", "有一个人"), ("The cat ", "sat")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """It serves ``mini``."""
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def model(server: Served) -> Any:
    """The served model."""
    return load(f"{server.url}/v1#mini")


@pytest.fixture(scope="module")
def own() -> Any:
    """The same in this process."""
    return load("mini")


def test_it_writes_what_the_local_model_writes(model: Any, own: Any) -> None:
    for way in (GenerateOptions(12), GenerateOptions(12, Sampling(0.8, top_p=0.9, top_k=20, seed=5))):
        theirs, ours = model.generate(PROMPTS, way), own.generate(PROMPTS, way)
        assert [(a.text, a.finish_reason) for a in theirs] == [(b.text, b.finish_reason) for b in ours]
        for a, b in zip(theirs, ours, strict=True):
            assert a.usage.prompt_tokens == b.usage.prompt_tokens
            assert a.usage.completion_tokens == b.usage.completion_tokens


def test_streamed_is_whole(model: Any) -> None:
    for prompt in PROMPTS:
        (whole,) = model.generate([prompt], GenerateOptions(12))
        *pieces, last = model.stream(prompt, GenerateOptions(12))
        assert "".join(one.text for one in pieces) == last.completion.text == whole.text
        assert last.completion.usage.completion_tokens == whole.usage.completion_tokens


def test_it_scores_as_the_local_model(model: Any, own: Any) -> None:
    for theirs, ours in zip(model.score(PAIRS), own.score(PAIRS), strict=True):
        assert (theirs.tokens, theirs.greedy) == (ours.tokens, ours.greedy)
        assert theirs.loglikelihood == pytest.approx(ours.loglikelihood, abs=1e-3)


def test_what_is_too_long_is_refused_with_the_numbers(model: Any, own: Any) -> None:
    with pytest.raises(ContextOverflow) as caught:
        model.generate("word " * 2000, GenerateOptions(5))
    assert caught.value.limit == own.context


def test_vectors(model: Any, own: Any) -> None:
    theirs, ours = model.embed(["你好", "a"]), own.embed(["你好", "a"])
    assert len(theirs) == 2 and theirs[0] == pytest.approx(ours[0], abs=1e-4)


def test_a_model_that_is_not_there(server: Served) -> None:
    with pytest.raises(UnknownName, match="named 'minni'") as caught:
        load(f"{server.url}/v1#minni").generate([TURNS])
    assert "mini" in caught.value.hint


def test_geminis_protocol(server: Served, monkeypatch: pytest.MonkeyPatch, own: Any) -> None:
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    monkeypatch.setenv("GOOGLE_API_KEY", "none")
    model: Any = load("google:mini")
    (theirs,), (ours,) = model.generate([TURNS], GenerateOptions(12)), own.generate([TURNS], GenerateOptions(12))
    assert theirs.text == ours.text and model.count(TURNS) == own.count(TURNS)
    *_, last = model.stream(TURNS, GenerateOptions(12))
    assert last.completion.text == ours.text
