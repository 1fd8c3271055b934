"""What Google's SDK does not send: snake_case, lone objects for lists, the growing list, broken bodies; and functions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google import genai
from google.genai import types
from tests.serving import Served

HI = {"contents": [{"parts": [{"text": "你好"}]}], "generationConfig": {"maxOutputTokens": 5}}
ADD = {
    "name": "add",
    "description": "Adds two numbers.",
    "parameters": {
        "type": "OBJECT",
        "properties": {"a": {"type": "INTEGER", "maximum": 9}, "b": {"type": "INTEGER", "maximum": 9}},
        "required": ["a", "b"],
    },
}
ONLY: Any = {"functionCallingConfig": {"mode": "ANY"}}


def post(served: Served, what: str, body: Any, model: str = "mini") -> Any:
    return served.post(f"/v1beta/models/{model}:{what}", body)


def test_snake_case_and_lone_objects(served: Served) -> None:
    lone = {"contents": {"parts": {"text": "你好"}}, "generation_config": {"max_output_tokens": "5"},
            "system_instruction": {"parts": {"text": "Be short."}}, "safety_settings": [{"category": "X"}]}  # fmt: skip
    lists = {"contents": HI["contents"], "generationConfig": {"maxOutputTokens": 5},
             "systemInstruction": {"parts": [{"text": "Be short."}]}}  # fmt: skip
    first, second = (post(served, "generateContent", body).json() for body in (lone, lists))
    assert first["candidates"] == second["candidates"]


def test_the_list_that_grows(served: Served) -> None:
    whole = post(served, "generateContent", HI).json()
    answer = served.post("/v1/models/mini:streamGenerateContent", HI)
    chunks = answer.json()
    texts = [part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    assert answer.headers["content-type"] == "application/json" and len(chunks) > 1
    assert "".join(texts) == whole["candidates"][0]["content"]["parts"][0]["text"]
    assert chunks[-1]["usageMetadata"]["candidatesTokenCount"] == 5


def test_events_are_json_of_one_line(served: Served) -> None:
    answer = served.post("/v1beta/models/mini:streamGenerateContent?alt=sse", HI)
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert answer.headers["content-type"].startswith("text/event-stream") and len(events) > 1
    assert {event["modelVersion"] for event in events} == {"mini"} and len(
        {event["responseId"] for event in events}
    ) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b"null", b'{"contents": []}', b'{"contents": "hi"}', b"\xff\xfe", b'{"contents": [{"parts": []}]}',
        b'{"contents": [{"parts": [{"text": 5}]}]}', b'{"contents": [{"role": "owner", "parts": [{"text": "x"}]}]}',
        b'{"contents": [{"role": "system", "parts": [{"text": "x"}]}]}',
        b'{"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"temperature": "NaN"}}',
        b'{"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"candidateCount": 9}}',
        b'{"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "*"}}]}]}',
        b'{"contents": [{"parts": [{"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}]}]}',
        b'{"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"responseMimeType": "application/json", '
        b'"responseSchema": {"type": "PLANET"}}}',
        b'{"contents": [{"parts": [{"text": "x"}]}], "toolConfig": {"functionCallingConfig": {"mode": "ANY", '
        b'"allowedFunctionNames": ["f"]}}}',
    ],
)  # fmt: skip
def test_broken_bodies_are_refused_in_gemini_s_form(served: Served, body: bytes) -> None:
    head = {"content-type": "application/json"}
    for what in ("generateContent", "streamGenerateContent", "streamGenerateContent?alt=sse"):
        answer = served.http.post(f"/v1/models/mini:{what}", content=body, headers=head)
        error = answer.json()["error"]
        assert answer.status_code == error["code"] == 400 and error["status"] == "INVALID_ARGUMENT", answer.text
        assert error["message"]


def test_several_answers_are_not_streamed(served: Served) -> None:
    body = HI | {"generationConfig": {"candidateCount": 2}}
    assert "candidateCount is 2" in post(served, "streamGenerateContent", body).json()["error"]["message"]


def test_vectors_and_counts_that_cannot_be(served: Served) -> None:
    some = {"content": {"parts": [{"text": "hi"}]}}
    assert "cannot embed" in post(served, "embedContent", some, "echo").json()["error"]["message"]
    wide = some | {"outputDimensionality": 999}
    assert "the vectors have 256 numbers" in post(served, "embedContent", wide).json()["error"]["message"]
    many = {"requests": [some] * 101}
    assert post(served, "batchEmbedContents", many).status_code == 400
    assert post(served, "countTokens", {}).status_code == 400
    whole = {"generateContentRequest": HI | {"model": "models/mini"}}
    assert post(served, "countTokens", whole).json() == post(served, "countTokens", {"contents": HI["contents"]}).json()


def test_a_function_is_called(served: Served) -> None:
    with genai.Client(api_key="none", http_options=types.HttpOptions(base_url=served.url)) as gemini:
        config = types.GenerateContentConfig(
            tools=[types.Tool(function_declarations=[types.FunctionDeclaration.model_validate(ADD)])],
            tool_config=types.ToolConfig.model_validate(ONLY),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        answer = gemini.models.generate_content(model="mini", contents="What is 1 and 2?", config=config)
        chunks = list(gemini.models.generate_content_stream(model="mini", contents="What is 1 and 2?", config=config))
    assert answer.function_calls and answer.function_calls[0].name == "add"
    args = answer.function_calls[0].args or {}
    assert set(args) == {"a", "b"} and all(isinstance(value, int) and value <= 9 for value in args.values())
    assert len(chunks) == 1 and chunks[0].function_calls == answer.function_calls  # a call comes whole


def test_calls_in_the_conversation_and_in_free_text(served: Served) -> None:
    said = '{"name": "add", "arguments": {"a": 1, "b": 2}}'
    body = {
        "contents": [{"parts": [{"text": f"<tool_call>{said}</tool_call>"}]}],
        "tools": {"functionDeclarations": ADD},
    }
    for what in ("generateContent", "streamGenerateContent"):  # echo says what was said last
        answer = post(served, what, body, "echo").json()
        candidate = (answer if isinstance(answer, dict) else answer[-1])["candidates"][0]
        assert candidate["content"]["parts"] == [{"functionCall": {"name": "add", "args": {"a": 1, "b": 2}}}]
    none = body | {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}
    assert "text" in post(served, "generateContent", none, "echo").json()["candidates"][0]["content"]["parts"][0]
    turns = [
        {"parts": [{"text": "1 + 2?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "add", "args": {"a": 1, "b": 2}}}]},
        {"role": "function", "parts": [{"functionResponse": {"name": "add", "response": {"result": 3}}}]},
    ]
    answer = post(served, "generateContent", body | {"contents": turns}, "echo").json()
    assert answer["candidates"][0]["content"]["parts"] == [{"text": '<tool_response>{"result": 3}</tool_response>'}]


def test_null_says_as_much_as_nothing(served: Served) -> None:
    nulls = {
        "generationConfig": None,
        "tools": None,
        "toolConfig": {"functionCallingConfig": None},
        "cachedContent": None,
    }
    asked = {"contents": [{"parts": [{"text": "你好", "inlineData": None}], "role": None}]} | nulls
    assert post(served, "generateContent", asked, "echo").status_code == 200
    declared = {"functionDeclarations": [{"name": "f", "description": None, "parameters": {"properties": None}}]}
    assert post(served, "generateContent", HI | {"tools": [declared]}, "echo").status_code == 200
    assert post(served, "generateContent", {"contents": None}, "echo").status_code == 400


def test_an_answer_has_the_properties_that_are_declared(served: Served) -> None:
    word = {"type": "STRING", "enum": ["q"]}
    schema = {"type": "OBJECT", "properties": {"a": word, "b": {"type": "OBJECT", "properties": {"c": word}}}}
    schema |= {"required": ["a", "b"]}
    for seed in range(5):
        config = {"responseMimeType": "application/json", "responseSchema": schema, "temperature": 1, "seed": seed}
        asked = {"contents": HI["contents"], "generationConfig": config | {"maxOutputTokens": 400}}
        candidate = post(served, "generateContent", asked).json()["candidates"][0]
        said = json.loads(candidate["content"]["parts"][0]["text"])
        assert candidate["finishReason"] == "STOP" and set(said) == {"a", "b"} and set(said["b"]) <= {"c"}


def test_a_request_that_has_no_room_is_counted(served: Served) -> None:
    long = {"contents": [{"parts": [{"text": "hello " * 600}]}]}
    alone = post(served, "countTokens", long).json()["totalTokens"]
    assert alone > 512
    assert post(served, "countTokens", {"generateContentRequest": long}).json()["totalTokens"] == alone


def test_a_call_that_is_cut_off_is_no_text(served: Served) -> None:
    asked = HI | {"tools": [{"functionDeclarations": [ADD]}], "toolConfig": ONLY}
    candidate = post(served, "generateContent", asked).json()["candidates"][0]
    assert candidate["finishReason"] == "MAX_TOKENS" and candidate["content"]["parts"] == []
