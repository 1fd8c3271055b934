"""Gemini's protocol over real HTTP, by Google's own SDK, under both of its versions."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from tests.serving import Served

ZH = "把下面的文字翻译成英文：\n我喜欢读书。"
PERSON = {
    "type": "OBJECT",
    "properties": {
        "name": {"type": "STRING", "maxLength": "8"},
        "age": {"type": "INTEGER", "minimum": 1, "maximum": 99},
    },
    "required": ["age", "name"],
    "propertyOrdering": ["age", "name"],
}


@pytest.fixture(scope="module", params=["v1", "v1beta"])
def gemini(request: pytest.FixtureRequest, served: Served) -> Iterator[genai.Client]:
    way = types.HttpOptions(base_url=served.url, api_version=request.param)
    with genai.Client(api_key="none", http_options=way) as client:
        yield client


def ask(gemini: genai.Client, contents: Any = ZH, model: str = "mini", **config: Any) -> types.GenerateContentResponse:
    return gemini.models.generate_content(model=model, contents=contents, config=types.GenerateContentConfig(**config))


def first(answer: types.GenerateContentResponse) -> types.Candidate:
    assert answer.candidates
    return answer.candidates[0]


def test_one_answer_with_its_counts(gemini: genai.Client) -> None:
    ask(gemini)
    answer = ask(gemini)
    used = answer.usage_metadata
    assert answer.text == "I like reading books." and first(answer).finish_reason == types.FinishReason.STOP
    assert answer.model_version == "mini" and answer.response_id
    assert used and used.prompt_token_count and used.candidates_token_count
    assert used.total_token_count == used.prompt_token_count + used.candidates_token_count
    assert used.cached_content_token_count == used.prompt_token_count - 1  # asked before


def test_the_limit_of_tokens(gemini: genai.Client) -> None:
    answer = ask(gemini, max_output_tokens=2)
    assert first(answer).finish_reason == types.FinishReason.MAX_TOKENS
    assert answer.usage_metadata and answer.usage_metadata.candidates_token_count == 2


def test_streamed_is_whole(gemini: genai.Client) -> None:
    chunks = list(gemini.models.generate_content_stream(model="mini", contents=ZH))
    assert "".join(chunk.text or "" for chunk in chunks) == ask(gemini).text
    assert len(chunks) > 1 and first(chunks[-1]).finish_reason == types.FinishReason.STOP
    assert [chunk.usage_metadata is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_several_candidates_and_seeds(gemini: genai.Client) -> None:
    drawn = {"temperature": 1.0, "seed": 7, "candidate_count": 3, "max_output_tokens": 12, "top_k": 50, "top_p": 0.9}
    texts = [
        [one.content.parts[0].text for one in ask(gemini, "春天", **drawn).candidates or [] if one.content]  # type: ignore[index]
        for _ in range(2)
    ]
    assert texts[0] == texts[1] and len(set(texts[0])) == 3


def test_stop_and_penalties(gemini: genai.Client) -> None:
    whole = ask(gemini).text or ""
    assert ask(gemini, stop_sequences=["read"]).text == whole.partition("read")[0]
    penalised = ask(gemini, "1 1 1 1", presence_penalty=1.5, frequency_penalty=2.0, max_output_tokens=16)
    assert penalised.text != ask(gemini, "1 1 1 1", max_output_tokens=16).text


def test_system_and_earlier_turns_are_read(gemini: genai.Client) -> None:
    turns = [
        types.Content(role="user", parts=[types.Part(text="one"), types.Part(text="two")]),
        types.Content(role="model", parts=[types.Part(text="th")]),
        types.Content(role="model", parts=[types.Part(text="ree")]),
        types.Content(role="user", parts=[types.Part(text="four")]),
    ]
    assert ask(gemini, turns, model="echo", system_instruction="six").text == "four"
    assert ask(gemini, turns[:3], model="echo").text == "three"  # pieces of one streamed answer
    assert ask(gemini, turns[:1], model="echo").text == "one\ntwo"
    used = ask(gemini, turns, model="echo", system_instruction="six").usage_metadata
    assert used and used.prompt_token_count == len("six" + "one\ntwo" + "three" + "four")


def test_a_chat(gemini: genai.Client) -> None:
    chat = gemini.chats.create(model="mini", config=types.GenerateContentConfig(max_output_tokens=12))
    chat.send_message("你好")
    pieces = [chunk.text for chunk in chat.send_message_stream("Who are you?")]
    last = chat.send_message("再见")
    assert len(pieces) > 1 and last.text
    assert last.usage_metadata and last.usage_metadata.cached_content_token_count  # of the turns before


def test_a_schema_of_gemini(gemini: genai.Client) -> None:
    answer = ask(gemini, "A person?", response_mime_type="application/json", response_schema=PERSON)
    person = json.loads(answer.text or "")
    assert list(person) == ["age", "name"] and 1 <= person["age"] <= 99 and len(person["name"]) <= 8


def test_a_json_schema_and_plain_json(gemini: genai.Client) -> None:
    plain = {"type": "array", "items": {"enum": [1, 2]}, "minItems": 2, "maxItems": 2}
    answer = ask(gemini, "Numbers?", response_mime_type="application/json", response_json_schema=plain)
    assert all(one in (1, 2) for one in json.loads(answer.text or "")) and len(json.loads(answer.text or "")) == 2
    streamed = gemini.models.generate_content_stream(
        model="mini", contents="Numbers?",
        config=types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=plain),
    )  # fmt: skip
    assert "".join(chunk.text or "" for chunk in streamed) == answer.text


def test_one_of_several_words(gemini: genai.Client) -> None:
    schema = {"type": "STRING", "enum": ["好", "坏"]}
    assert ask(gemini, "这家店很好。", response_mime_type="text/x.enum", response_schema=schema).text in ("好", "坏")


def test_logprobs(gemini: genai.Client) -> None:
    one = first(ask(gemini, response_logprobs=True, logprobs=3))
    told = one.logprobs_result
    assert told and told.chosen_candidates and told.top_candidates
    assert "".join(token.token or "" for token in told.chosen_candidates).startswith("I like reading books.")
    assert [len(top.candidates or []) for top in told.top_candidates] == [3] * len(told.chosen_candidates)
    logs = [token.log_probability or 0.0 for token in told.chosen_candidates]
    assert one.avg_logprobs == pytest.approx(sum(logs) / len(logs))


def test_counts_are_those_of_the_prompt(gemini: genai.Client) -> None:
    counted = gemini.models.count_tokens(model="mini", contents=ZH)
    used = ask(gemini).usage_metadata
    assert used and counted.total_tokens == used.prompt_token_count


def test_vectors(gemini: genai.Client) -> None:
    found = gemini.models.embed_content(model="mini", contents=["我喜欢读书。", "I like tea.", "我喜欢读书。"])
    assert found.embeddings
    one, two, three = (vector.values or [] for vector in found.embeddings)
    assert len(one) == 256 and one == pytest.approx(three, abs=1e-4) and one != pytest.approx(two, abs=1e-2)
    short = gemini.models.embed_content(
        model="mini", contents="我喜欢读书。", config=types.EmbedContentConfig(output_dimensionality=5)
    )
    assert short.embeddings and short.embeddings[0].values == pytest.approx(one[:5], abs=1e-4)


def test_the_models(gemini: genai.Client) -> None:
    ask(gemini, max_output_tokens=1)
    assert [model.name for model in gemini.models.list()] == ["models/mini", "models/echo"]
    assert [model.name for model in gemini.models.list(config={"page_size": 1})] == ["models/mini", "models/echo"]
    card = gemini.models.get(model="mini")
    assert (card.name, card.input_token_limit) == ("models/mini", 512)
    assert (card.temperature, card.max_temperature) == (0.0, 2.0) and ask(gemini).text == ask(
        gemini, temperature=0.0
    ).text
    assert gemini.models.get(model="models/echo").display_name == "echo"
    assert ask(gemini, "hi", model="models/echo").text == "hi"


def test_a_picture_needs_a_model_that_sees(gemini: genai.Client) -> None:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    shown = [types.Part.from_bytes(data=file.getvalue(), mime_type="image/png"), types.Part(text="What is it?")]
    assert ask(gemini, shown, model="echo").text == "[image]\nWhat is it?"
    with pytest.raises(errors.ClientError, match="cannot see"):
        ask(gemini, shown)
    note = types.Part.from_bytes(data="你好".encode(), mime_type="text/plain")
    assert ask(gemini, [note], model="echo").text == "你好"


@pytest.mark.parametrize(
    ("asked", "code", "status", "message"),
    [
        ({"model": "nobody", "contents": "x"}, 404, "NOT_FOUND", "no model named 'nobody'"),
        ({"contents": "x", "config": {"max_output_tokens": 5000}}, 400, "INVALID_ARGUMENT", "the model holds 512"),
        ({"contents": "读" * 4000}, 400, "INVALID_ARGUMENT", "the model holds 512"),
        ({"contents": types.Part.from_uri(file_uri="http://127.0.0.1/a.png", mime_type="image/png")}, 400,
         "INVALID_ARGUMENT", "fileData is not fetched"),
        ({"contents": "x", "config": {"logprobs": 2}}, 400, "INVALID_ARGUMENT", "responseLogprobs"),
        ({"contents": "x", "config": {"response_schema": PERSON}}, 400, "INVALID_ARGUMENT", "responseMimeType"),
        ({"contents": "x", "config": {"temperature": 9.0}}, 400, "INVALID_ARGUMENT", "temperature"),
        ({"contents": "x", "config": {"cached_content": "cachedContents/a"}}, 400, "INVALID_ARGUMENT", "cachedContent"),
        ({"contents": "x", "config": {"tools": [{"google_search": {}}]}}, 400, "INVALID_ARGUMENT", "googleSearch"),
    ],
)  # fmt: skip
def test_refusals_are_typed(gemini: genai.Client, asked: dict[str, Any], code: int, status: str, message: str) -> None:
    asked = {"model": "mini", **asked}
    with pytest.raises(errors.ClientError) as refused:
        gemini.models.generate_content(**asked)
    assert (refused.value.code, refused.value.status) == (code, status) and message in (refused.value.message or "")
    with pytest.raises(errors.ClientError) as refused:
        list(gemini.models.generate_content_stream(**asked))
    assert (refused.value.code, refused.value.status) == (code, status)


def test_both_alphabets_of_base64() -> None:
    from sibao.server._gemini_read import messages
    from sibao.server._gemini_schema import Content

    data = bytes(range(248, 256)) * 3
    for write in (base64.b64encode, base64.urlsafe_b64encode):
        part = {"inlineData": {"mimeType": "image/png", "data": write(data).decode()}}
        read = messages([Content.model_validate({"parts": [part]})])
        assert read == [{"role": "user", "content": [{"type": "image", "image": data}]}]
