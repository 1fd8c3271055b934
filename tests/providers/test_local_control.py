"""The form of an answer and the newer settings, through providers: what comes out is checked by ``json`` and ``re``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.tiny import tiny_folder, tiny_tokenizer

from sibao.core.errors import BadInput
from sibao.core.types import GenerateOptions, Message, Sampling
from sibao.providers.load import load
from sibao.providers.local import LocalModel

SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["题", "行"],
    "properties": {
        "题": {"enum": ["春晓", "静夜思", "x"]},
        "行": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "minItems": 1, "maxItems": 3},
    },
}  # fmt: skip
JSON = {"type": "json_schema", "json_schema": {"name": "poem", "schema": SCHEMA}}
YEAR = {"type": "regex", "regex": r"(公元)?\d{1,4}年?"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("wide") / "qwen3", context=256)


@pytest.fixture(scope="module")
def model(folder: Path) -> LocalModel:
    found = load(str(folder))
    assert isinstance(found, LocalModel)
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.sampled_from([0.0, 1.0]))
def test_answers_have_their_form(model: LocalModel, seed: int, temperature: float) -> None:
    options = GenerateOptions(150, Sampling(temperature, seed=seed), response_format=JSON)
    done = model.generate([[Message(role="user", content="写诗")]], options)[0]
    if done.finish_reason == "stop":
        jsonschema.validate(json.loads(done.text), SCHEMA)
    year = model.generate(["春"], GenerateOptions(30, Sampling(temperature, seed=seed), response_format=YEAR))[0]
    assert year.finish_reason == "stop" and re.fullmatch(YEAR["regex"], year.text)


def test_answers_do_end(model: LocalModel) -> None:
    options = [GenerateOptions(200, Sampling(1.0, seed=seed), response_format=JSON) for seed in range(10)]
    assert sum(model.generate(["春"], one)[0].finish_reason == "stop" for one in options) >= 5


def test_many_at_once_are_as_alone_and_streamed(model: LocalModel) -> None:
    options = GenerateOptions(60, Sampling(1.0, seed=3), response_format=JSON)
    prompts = ["春", "夏天", "The quick", "a"]
    together = [done.text for done in model.generate(prompts, options)]
    assert together == [model.generate([prompt], options)[0].text for prompt in prompts]
    deltas = list(model.stream("夏天", options))
    assert "".join(delta.text for delta in deltas) == together[1]


@pytest.mark.parametrize(
    "form", [{"type": "choice", "choices": ["正面", "负面"]}, {"type": "grammar", "grammar": 'start: "正面" | "负面"'}]
)
def test_choices_and_grammars(model: LocalModel, form: dict[str, Any]) -> None:
    options = GenerateOptions(20, Sampling(1.0, seed=0), response_format=form)
    assert {done.text for done in model.generate(["a", "b", "c", "d", "e"], options)} <= {"正面", "负面"}


def test_plain_text_is_no_form(model: LocalModel) -> None:
    plain = model.generate(["春"], GenerateOptions(10))[0].text
    assert model.generate(["春"], GenerateOptions(10, response_format={"type": "text"}))[0].text == plain


def test_what_cannot_be_done_is_refused_before_anything_runs(model: LocalModel) -> None:
    for form, message in (
        ({"type": "regex", "regex": "(a"}, "at character 0: unclosed group"),
        ({"type": "yaml"}, "yaml"),
    ):
        with pytest.raises(BadInput, match=message):
            model.generate(["a"], GenerateOptions(response_format=form))
        with pytest.raises(BadInput, match=message):
            model.stream("a", GenerateOptions(response_format=form))
    with pytest.raises(BadInput, match="num_beams is 2, and beam search does not know response_format"):
        model.generate(["a"], GenerateOptions(5, Sampling(num_beams=2), response_format=YEAR))
    with pytest.raises(BadInput, match="beam search does not know min_tokens"):
        model.generate(["a"], GenerateOptions(5, Sampling(num_beams=2, min_tokens=1)))


def test_contradictory_settings_end_the_request_with_an_error(model: LocalModel) -> None:
    options = GenerateOptions(50, Sampling(min_tokens=40), response_format={"type": "choice", "choices": ["春"]})
    done = model.generate(["a"], options)[0]
    assert done.finish_reason == "error" and done.text == "春"


def test_bias_and_shortest_answers(model: LocalModel) -> None:
    token = tiny_tokenizer().encode("春")[0]
    ends = tiny_tokenizer().eos_ids
    always = Sampling(logit_bias=((token, 100.0),))
    assert model.generate(["a"], GenerateOptions(5, always))[0].usage.completion_tokens == 5
    early = Sampling(logit_bias=tuple((end, 1000.0) for end in ends))
    assert model.generate(["a"], GenerateOptions(9, early))[0].usage.completion_tokens == 0
    least = Sampling(logit_bias=early.logit_bias, min_tokens=4)
    assert model.generate(["a"], GenerateOptions(9, least))[0].usage.completion_tokens == 4


def test_penalties_keep_an_answer_from_repeating(model: LocalModel) -> None:
    """A bias makes one token certain; each time it was said it loses frequency_penalty, so others come between."""
    token = tiny_tokenizer().encode("春")[0]
    word = tiny_tokenizer().decode([token])
    plain = model.generate(["a"], GenerateOptions(12, Sampling(logit_bias=((token, 30.0),))))[0]
    less = Sampling(logit_bias=((token, 30.0),), frequency_penalty=2.0, presence_penalty=2.0, repetition_penalty=1.5)
    penalised = model.generate(["a"], GenerateOptions(12, less))[0]
    assert plain.text.count(word) == 12 > penalised.text.count(word)


def test_a_model_through_transformers_gives_the_same(folder: Path, model: LocalModel) -> None:
    theirs = load(f"transformers:{folder}")
    for sampling in (
        Sampling(1.0, seed=5), Sampling(), Sampling(1.0, seed=5, typical_p=0.6, presence_penalty=1.0, min_tokens=3),
        Sampling(0.9, seed=2, frequency_penalty=0.5, logit_bias=((300, 3.0),), top_k=40),
    ):  # fmt: skip
        for form in (JSON, None):
            options = GenerateOptions(60, sampling, response_format=form)
            ours, other = model.generate(["春眠", "a"], options), theirs.generate(["春眠", "a"], options)
            assert [(d.text, d.finish_reason) for d in ours] == [(d.text, d.finish_reason) for d in other]


def encoder_decoder(folder: Path) -> Path:
    """A tiny T5 with the tiny tokenizer."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    shape = T5Config(
        vocab_size=400, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_decoder_layers=2, num_heads=4, eos_token_id=2,
        pad_token_id=0, decoder_start_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(shape).save_pretrained(folder)
    tiny_tokenizer().save(folder)
    return folder


@pytest.mark.parametrize("prefix", ["", "transformers:"])
def test_an_encoder_decoder_refuses_forms(prefix: str, tmp_path: Path) -> None:
    model = load(prefix + str(encoder_decoder(tmp_path)))
    with pytest.raises(BadInput, match="does not know response_format"):
        model.generate(["a"], GenerateOptions(5, response_format=YEAR))
    with pytest.raises(BadInput, match="does not know response_format"):
        model.stream("a", GenerateOptions(5, response_format=YEAR))
    if not prefix:
        with pytest.raises(BadInput, match="does not know frequency_penalty, min_tokens"):
            model.generate(["a"], GenerateOptions(5, Sampling(frequency_penalty=1, min_tokens=2)))


def test_a_mock_refuses_forms() -> None:
    with pytest.raises(BadInput, match="mock:echo does not know response_format"):
        load("mock:echo").generate(["a"], GenerateOptions(response_format=YEAR))
