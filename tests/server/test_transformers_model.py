"""A model that Transformers computes, behind the same endpoints: text, tokens and several at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.tiny import tiny_folder

from sibao.core.types import GenerateOptions
from sibao.providers.load import load
from sibao.server._limit import AUTO, roomy
from sibao.server.desk import Desk, Terms

PROMPTS = ["one two", "春天来了", "three four five"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    pytest.importorskip("transformers")
    return Desk(load(f"transformers:{tiny_folder(tmp_path_factory.mktemp('model') / 'tiny')}"))


def test_text_and_tokens_are_answered_alike_also_at_once(desk: Desk) -> None:
    options = GenerateOptions(max_tokens=8)
    wanted = [one.text for one in desk.model.generate(PROMPTS, options)]
    tokens = [desk.model.encode(prompt) for prompt in PROMPTS]

    async def ask() -> list[str]:
        done = await asyncio.gather(*(desk.complete(one, options, Terms(60.0)) for one in (*PROMPTS, *tokens)))
        return [one.text for one in done]

    assert asyncio.run(ask()) == wanted * 2


def test_its_prompts_stay_as_they_are_for_they_may_hold_pictures(desk: Desk) -> None:
    prompt = [{"role": "user", "content": "one two"}]
    same, options = roomy(desk.model, prompt, GenerateOptions(max_tokens=AUTO))  # type: ignore[arg-type]
    assert same is prompt and options.max_tokens == desk.model.context - desk.model.count(prompt)


def test_sibaos_own_engine_is_given_tokens(tmp_path: Path) -> None:
    model = load(str(tiny_folder(tmp_path / "tiny")))
    tokens, options = roomy(model, "one two", GenerateOptions(max_tokens=AUTO))
    assert tokens == model.encode("one two") and options.max_tokens == model.context - len(tokens)  # type: ignore[attr-defined]
