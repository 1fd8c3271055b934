"""OpenAI's completions over real HTTP, and their log-probabilities beside the model's own."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import OpenAI
from tests.serving import Served

import sibao
from sibao.core.types import GenerateOptions, Sampling
from sibao.providers.local import LocalModel

TEXT = "The cat sat on the mat. 猫坐在垫子上。👍 And then"


@pytest.fixture(scope="module")
def mini() -> LocalModel:
    model = sibao.load("mini")
    assert isinstance(model, LocalModel)
    return model


def echoed(served: Served, **more: Any) -> dict[str, Any]:
    body = {"model": "mini", "prompt": TEXT, "max_tokens": 0, "echo": True, "logprobs": 2, **more}
    answer = served.post("/v1/completions", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_prompt_is_scored_as_the_model_scores_it(served: Served, mini: LocalModel) -> None:
    choice = echoed(served)["choices"][0]
    ids = mini.encode(TEXT)
    scored = mini.engine.score([(ids, 1)])[0]
    table = choice["logprobs"]
    assert choice["text"] == TEXT and len(table["tokens"]) == len(ids) == len(table["text_offset"])
    assert table["token_logprobs"][0] is None and table["top_logprobs"][0] is None
    assert table["token_logprobs"][1:] == pytest.approx(list(scored.logprobs), abs=1e-5)
    for value, top, greedy in zip(table["token_logprobs"][1:], table["top_logprobs"][1:], scored.greedy, strict=True):
        assert (value == max(top.values())) == greedy  # how lm-evaluation-harness tells


def test_places_in_the_text(served: Served) -> None:
    choice = echoed(served)["choices"][0]
    offsets, tokens = choice["logprobs"]["text_offset"], choice["logprobs"]["tokens"]
    assert offsets == sorted(offsets) and offsets[0] == 0 and offsets[-1] < len(TEXT)
    for at, token in zip(offsets, tokens, strict=True):
        if "\ufffd" not in token:
            assert TEXT.startswith(token, at), (at, token)


def test_tokens_and_text_are_the_same_prompt(served: Served, mini: LocalModel) -> None:
    by_text = echoed(served)["choices"][0]
    by_ids = echoed(served, prompt=mini.encode(TEXT))["choices"][0]
    assert by_ids["text"] == by_text["text"] and by_ids["logprobs"]["tokens"] == by_text["logprobs"]["tokens"]
    assert by_ids["logprobs"]["text_offset"] == by_text["logprobs"]["text_offset"]
    many = echoed(served, prompt=[mini.encode(TEXT), mini.encode("A dog"), [5]])["choices"]
    assert [choice["index"] for choice in many] == [0, 1, 2] and many[0]["text"] == TEXT and many[1]["text"] == "A dog"
    assert many[2]["logprobs"]["token_logprobs"] == [None]


def test_prompt_and_answer_together(served: Served, client: OpenAI) -> None:
    alone = client.completions.create(model="mini", prompt=TEXT, max_tokens=5, temperature=0, logprobs=2).choices[0]
    both = echoed(served, max_tokens=5, temperature=0)
    choice = both["choices"][0]
    assert choice["text"] == TEXT + alone.text and alone.logprobs is not None
    count = len(alone.logprobs.tokens or [])
    assert choice["logprobs"]["tokens"][-count:] == alone.logprobs.tokens
    assert choice["logprobs"]["token_logprobs"][-count:] == pytest.approx(alone.logprobs.token_logprobs, abs=1e-4)
    assert choice["logprobs"]["text_offset"][-count] == len(TEXT)
    assert both["usage"]["completion_tokens"] == count
    plain = client.completions.create(model="mini", prompt=TEXT, max_tokens=5, temperature=0, echo=True).choices[0]
    assert plain.text == choice["text"] and plain.logprobs is None


def test_several_prompts_and_answers(client: OpenAI) -> None:
    answer = client.completions.create(model="mini", prompt=["One", "二"], max_tokens=4, n=2, seed=1, temperature=1)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    single = client.completions.create(model="mini", prompt="二", max_tokens=4, n=2, seed=1, temperature=1)
    assert [c.text for c in answer.choices[2:]] == [c.text for c in single.choices]
    texts = [""] * 4
    chunks = client.completions.create(
        model="mini",
        prompt=["One", "二"],
        max_tokens=4,
        n=2,
        seed=1,
        temperature=1,
        stream=True,
        logprobs=1,
        echo=False,
    )
    tokens = 0
    for chunk in chunks:
        texts[chunk.choices[0].index] += chunk.choices[0].text
        scores = chunk.choices[0].logprobs
        tokens += len(scores.tokens or []) if scores else 0
    assert texts == [choice.text for choice in answer.choices]
    assert answer.usage is not None and tokens == answer.usage.completion_tokens


def test_the_best_texts_of_a_search(client: OpenAI, mini: LocalModel) -> None:
    asked: dict[str, Any] = {"model": "mini", "prompt": ["Once", "二"], "max_tokens": 6, "n": 3}
    search: Any = {"num_beams": 4}
    answer = client.completions.create(**asked, extra_body=search)
    own = mini.generate(["Once", "二"], GenerateOptions(6, Sampling(num_beams=4, num_return_sequences=3)))
    assert [c.text for c in answer.choices] == [text.text for one in own for text in (one, *one.others)]
    assert [c.index for c in answer.choices] == list(range(6)) and len({c.text for c in answer.choices}) == 6
    assert answer.usage is not None
    assert answer.usage.completion_tokens == sum(one.taken.completion_tokens for one in own)
    assert answer.usage.prompt_tokens == sum(one.taken.prompt_tokens for one in own)
    texts = [""] * 6
    for chunk in client.completions.create(**asked, extra_body=search, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == [choice.text for choice in answer.choices]
    turn: Any = [{"role": "user", "content": "你好！"}]
    chat = client.chat.completions.create(model="mini", messages=turn, max_tokens=6, n=3, extra_body=search)
    assert len({choice.message.content for choice in chat.choices}) == 3
    with pytest.raises(openai.BadRequestError, match="num_return_sequences is 3, wanted 1 to num_beams, which is 2"):
        client.completions.create(**asked, extra_body={"num_beams": 2})
    with pytest.raises(openai.BadRequestError, match="a search needs one token"):
        client.completions.create(model="mini", prompt="a", max_tokens=0, n=2, echo=True, extra_body=search)


def test_a_streamed_echo(client: OpenAI) -> None:
    chunks = list(
        client.completions.create(model="mini", prompt="Once", max_tokens=3, temperature=0, echo=True, stream=True)
    )
    whole = client.completions.create(model="mini", prompt="Once", max_tokens=3, temperature=0, echo=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert chunks[0].choices[0].text == "Once" and chunks[-1].choices[0].finish_reason == "length"


def test_the_answer_is_the_models_own(client: OpenAI, mini: LocalModel) -> None:
    for seed in range(3):
        ours = mini.generate("Once upon", sibao_options(seed))[0].text
        theirs = client.completions.create(model="mini", prompt="Once upon", max_tokens=12, seed=seed, temperature=0.8)
        assert theirs.choices[0].text == ours


def sibao_options(seed: int) -> Any:
    return GenerateOptions(12, Sampling(temperature=0.8, seed=seed))


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("suffix", "end", "suffix"), ("best_of", 3, "best_of"), ("max_tokens", 0, "echo"), ("prompt", [], "prompt"),
        ("prompt", [99999], "99999"), ("logit_bias", {"cat": 1}, "cat"), ("n", 0, "n"),
        ("logprobs", 21, "logprobs"), ("prompt", "word " * 600, "512"),
    ],
)  # fmt: skip
def test_what_is_refused(client: OpenAI, field: str, value: Any, why: str) -> None:
    body = {"model": "mini", "prompt": "Hi", "max_tokens": 2} | {field: value}
    with pytest.raises(openai.BadRequestError, match=why):
        client.completions.create(**body)


def test_a_model_without_likelihoods_says_so(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="log-probabilities"):
        client.completions.create(model="echo", prompt="Hi", max_tokens=1, echo=True, logprobs=1)
    with pytest.raises(openai.BadRequestError, match="takes text"):
        client.completions.create(model="echo", prompt=[1, 2], max_tokens=1)
    assert client.completions.create(model="echo", prompt="Hi", max_tokens=9, echo=True).choices[0].text == "HiHi"


def test_the_token_itself_is_among_the_likeliest(client: OpenAI) -> None:
    told: Any = (
        client.completions.create(model="mini", prompt="Once upon a", max_tokens=12, seed=1, logprobs=1, echo=True)
        .choices[0]
        .logprobs
    )
    for token, score, top in zip(told.tokens[1:], told.token_logprobs[1:], told.top_logprobs[1:], strict=True):
        assert top[token] == pytest.approx(score, abs=1e-6) and len(top) <= 2
