"""Answers with an adapter beside the loaded model are those of the model that carries it."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import pytest
from tests.engine.test_adapters import make_adapter

from sibao.core.errors import BadInput
from sibao.core.types import GenerateOptions, Sampling
from sibao.providers.load import load
from sibao.workflows.jobs import job

PROMPTS = ["床前明月光", "The quick brown fox"]


@pytest.fixture(scope="module")
def adapters(qwen_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    place = tmp_path_factory.mktemp("adapters")
    return [make_adapter(place / kind, qwen_folder, "qwen3", kind, seed) for seed, kind in enumerate(["plain", "dora"])]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_answer_is_that_of_the_model_with_the_adapter_on_it(
    qwen_folder: Path, adapters: list[str], precision: str
) -> None:
    model = load(str(qwen_folder), precision=precision)
    plain = [one.text for one in model.generate(PROMPTS, GenerateOptions(20))]
    for folder in adapters:
        got = [one.text for one in model.generate(PROMPTS, GenerateOptions(20, adapter=folder))]
        assert got != plain
        if precision == "fp32":  # in whole numbers an adapter beside the weights is not rounded with them
            merged = load(str(qwen_folder), adapter=folder)
            assert got == [one.text for one in merged.generate(PROMPTS, GenerateOptions(20))]
    assert [one.text for one in model.generate(PROMPTS, GenerateOptions(20))] == plain, (
        "no block is shared between them"
    )


def test_requests_of_one_batch_have_different_adapters(qwen_folder: Path, adapters: list[str]) -> None:
    model = load(str(qwen_folder))
    asked = [(prompt, adapter) for prompt in PROMPTS for adapter in (None, *adapters)]
    streams = [model.stream(p, GenerateOptions(15, Sampling(0.7, seed=4), adapter=adapter)) for p, adapter in asked]
    texts = [""] * len(asked)
    for round_ in zip_longest(*streams):  # each stream goes a piece further, the others beside it
        for i, delta in enumerate(round_):
            texts[i] += "" if delta is None else delta.text
    for (prompt, adapter), text in zip(asked, texts, strict=True):
        alone = load(str(qwen_folder), adapter=adapter).generate([prompt], GenerateOptions(15, Sampling(0.7, seed=4)))
        assert alone[0].text == text
    assert len(set(texts)) > 3


def test_tasks_take_an_adapter(qwen_folder: Path, adapters: list[str]) -> None:
    model = load(str(qwen_folder))
    texts = {}
    for adapter in (None, adapters[0]):
        work = job("generate", model, max_tokens=12, adapter=adapter)
        texts[adapter] = work.run([work.task.inputs(prompt="春天")])[0].text
    merged = job("generate", load(str(qwen_folder), adapter=adapters[0]), max_tokens=12)
    assert texts[adapters[0]] == merged.run([merged.task.inputs(prompt="春天")])[0].text != texts[None]


def test_who_cannot_says_so(qwen_folder: Path, adapters: list[str], tmp_path: Path) -> None:
    options = GenerateOptions(5, adapter=adapters[0])
    with pytest.raises(BadInput, match="is no adapter folder"):
        load(str(qwen_folder)).generate(["a"], GenerateOptions(5, adapter=str(tmp_path)))
    with pytest.raises(BadInput, match="already carries an adapter"):
        load(str(qwen_folder), adapter=adapters[1]).generate(["a"], options)
    with pytest.raises(BadInput, match="mock:echo does not know adapter"):
        load("mock:echo").generate(["a"], options)
    with pytest.raises(BadInput, match="serves one model as loaded"):
        load(f"transformers:{qwen_folder}").generate(["a"], options)
