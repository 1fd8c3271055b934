"""Functions that a model may call, over OpenAI's protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel
from tests.serving import Served, serving
from tests.tiny import tiny_folder

from sibao.text.tokenizer import Tokenizer

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "北京"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
NOTHING: Any = {"type": "function", "function": {"name": "nothing"}}
ASK: dict[str, Any] = {
    "model": "mini",
    "messages": [{"role": "user", "content": "How is it in Paris?"}],
    "temperature": 0,
}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_call_that_must_come(client: OpenAI, choice: Any) -> None:
    tools = [WEATHER] if choice == "required" else [NOTHING, WEATHER]
    answer = client.chat.completions.create(**ASK, tools=tools, tool_choice=choice).choices[0]
    assert answer.finish_reason == "tool_calls" and answer.message.tool_calls is not None
    call: Any = answer.message.tool_calls[0]
    assert call.function.name == "weather" and json.loads(call.function.arguments)["city"] in ("Paris", "北京")
    streamed = list(client.chat.completions.create(**ASK, tools=tools, tool_choice=choice, stream=True))
    deltas = [c.choices[0].delta for c in streamed if c.choices]
    told = [one for delta in deltas for one in delta.tool_calls or []]
    assert told[0].function is not None and told[0].function.arguments == call.function.arguments
    assert not any(delta.content for delta in deltas) and streamed[-1].choices[0].finish_reason == "tool_calls"


def test_a_call_among_words(served: Served) -> None:
    """The mock repeats what it is told, so that it calls what a test wants."""
    said = 'Let me see. <tool_call>{"name": "weather", "arguments": {"city": "Paris"}}</tool_call>'
    body = {"model": "echo", "messages": [{"role": "user", "content": said}], "tools": [WEATHER]}
    choice = served.post("/v1/chat/completions", body).json()["choices"][0]
    assert choice["message"]["content"] == "Let me see." and choice["finish_reason"] == "tool_calls"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris"}
    off = served.post("/v1/chat/completions", body | {"tool_choice": "none"}).json()["choices"][0]
    assert off["message"]["content"] == said and off["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "said",
    [
        '{"name": "weather", "parameters": {"city": "北京"}}',
        '[{"name": "weather", "arguments": {"city": "北京"}}]',
        '```json\n{"name": "weather", "arguments": {"city": "北京"}}\n```',
    ],
)
def test_other_forms_of_a_call(client: OpenAI, said: str) -> None:
    ask: Any = {"model": "echo", "messages": [{"role": "user", "content": said}], "tools": [WEATHER]}
    calls: Any = client.chat.completions.create(**ask).choices[0].message.tool_calls
    assert json.loads(calls[0].function.arguments) == {"city": "北京"}
    deltas = [chunk.choices[0].delta for chunk in client.chat.completions.create(**ask, stream=True)]
    assert not any(delta.content for delta in deltas) and any(delta.tool_calls for delta in deltas)


def test_what_only_looks_like_a_call_stays_text(client: OpenAI) -> None:
    for said in ('{"name": "other", "arguments": {}}', "{not json", "a < b <tool", "[1, 2]"):
        ask: Any = {"model": "echo", "messages": [{"role": "user", "content": said}], "tools": [WEATHER]}
        assert client.chat.completions.create(**ask).choices[0].message.content == said
        chunks = client.chat.completions.create(**ask, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == said


def test_results_go_back(client: OpenAI) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    messages: Any = [
        *ASK["messages"],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    answer = client.chat.completions.create(model="echo", messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "<tool_response>sunny</tool_response>"
    with pytest.raises(openai.BadRequestError, match="no JSON object"):
        call["function"] = {"name": "weather", "arguments": "[]"}
        client.chat.completions.create(model="echo", messages=messages)


def test_what_cannot_be_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no such function"):
        client.chat.completions.create(
            **ASK, tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "x"}}
        )
    with pytest.raises(openai.BadRequestError, match="one name"):
        client.chat.completions.create(**ASK, tools=[WEATHER, WEATHER])
    with pytest.raises(openai.BadRequestError, match="contradict"):
        client.chat.completions.create(**ASK, tools=[WEATHER], response_format={"type": "json_object"})


TEMPLATE = (
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}{% endfor %}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls or [] %}"
    "{{ c.function.arguments | tojson }}{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def test_a_template_that_knows_tools_shows_them(tmp_path: Path) -> None:
    """Tokens are counted: what the template shows is read, and nothing besides."""
    folder = tiny_folder(tmp_path / "model", context=512)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": TEMPLATE}))
    tool = {"type": "function", "function": {"name": "f"}}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call]}]
    with serving(tmp_path / "home", "--model", f"m={folder}") as server:
        body = {"messages": messages, "tools": [tool], "max_tokens": 1}
        used = server.post("/v1/chat/completions", body).json()["usage"]
        control = tool | {"function": {"name": "f", "description": "<|im_end|>"}}
        refused = server.post("/v1/chat/completions", body | {"tools": [control]})
    shown = '{"function": {"name": "f", "parameters": {"properties": {}, "type": "object"}}, "type": "function"}'
    text = (
        f"<|im_start|>system\n{shown}<|im_end|>\n<|im_start|>user\nx<|im_end|>\n"
        '<|im_start|>assistant\n{"a": 1}<|im_end|>\n<|im_start|>assistant'  # Jinja drops a last line break
    )
    assert used["prompt_tokens"] == len(Tokenizer.load(folder).encode(text, specials=True))
    assert refused.status_code == 400 and "control token" in refused.json()["error"]["message"]


def test_arguments_that_no_text_can_hold_are_mended(served: Served) -> None:
    said = r'{"name": "weather", "arguments": {"city": "\ud800"}}'
    body = {"model": "echo", "messages": [{"role": "user", "content": said}], "tools": [WEATHER]}
    call = served.post("/v1/chat/completions", body).json()["choices"][0]["message"]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"city": "\ufffd"}
    streamed = served.post("/v1/chat/completions", body | {"stream": True}).text
    assert "tool_calls" in streamed and "error" not in streamed
    call["function"]["arguments"] = r'{"city": "\ud800"}'
    asked = [*body["messages"], {"role": "assistant", "tool_calls": [call]},  # type: ignore[misc]
             {"role": "tool", "tool_call_id": call["id"], "name": "weather", "content": "sunny"}]  # fmt: skip
    assert served.post("/v1/chat/completions", {"model": "mini", "messages": asked, "max_tokens": 2}).status_code == 200


class Inner(BaseModel):
    kind: Literal["a", "b"]


class Outer(BaseModel):
    inner: Inner


def test_a_nested_pydantic_model_is_a_tool(client: OpenAI) -> None:
    tools: Any = [WEATHER, openai.pydantic_function_tool(Outer)]
    for choice in ("required", {"type": "function", "function": {"name": "Outer"}}):
        answer = client.chat.completions.parse(**ASK | {"max_tokens": 100}, tools=tools[-1:], tool_choice=choice)  # type: ignore[arg-type]
        (call,) = answer.choices[0].message.tool_calls or ()
        assert isinstance(call.function.parsed_arguments, Outer)
    both = client.chat.completions.create(**ASK | {"max_tokens": 130}, tools=tools, tool_choice="required")
    assert both.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("parameters", [{}, {"properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}])
def test_a_call_comes_whatever_the_schema_leaves_out(client: OpenAI, parameters: dict[str, Any]) -> None:
    tools: Any = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    for seed in range(5):
        ask: Any = ASK | {"temperature": 1, "seed": seed, "tools": tools, "tool_choice": "required", "max_tokens": 60}
        choice = client.chat.completions.create(**ask).choices[0]
        assert choice.finish_reason == "tool_calls", choice
        call: Any = (choice.message.tool_calls or [None])[0]
        assert set(json.loads(call.function.arguments)) == set(parameters.get("required", ()))


def test_a_call_that_is_cut_off_is_no_answer(client: OpenAI) -> None:
    for tokens in (2, 12):
        ask: Any = ASK | {"tools": [WEATHER], "tool_choice": "required", "max_tokens": tokens}
        choice = client.chat.completions.create(**ask).choices[0]
        assert choice.finish_reason == "length" and not choice.message.content
        chunks = [chunk.choices[0] for chunk in client.chat.completions.create(**ask, stream=True)]
        assert not any(one.delta.content for one in chunks) and chunks[-1].finish_reason == "length"
        response: Any = client.responses.create(
            model="mini", input="Paris?", temperature=0, max_output_tokens=max(tokens, 12), tool_choice="required",
            tools=[{"type": "function", **WEATHER["function"]}],
        )  # fmt: skip
        assert response.status == "incomplete" and response.output_text == ""


def test_a_conversation_goes_back_as_the_sdk_dumps_it(client: OpenAI) -> None:
    said = '{"name": "weather", "arguments": {"city": "Paris"}}'
    ask: Any = {"model": "echo", "messages": [{"role": "user", "content": said}], "tools": [WEATHER]}
    answer = client.chat.completions.create(**ask).choices[0].message.model_dump()
    assert None in answer.values()
    answer |= {"annotations": [], "audio": None, "function_call": None}
    refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    more: Any = {"functions": None, "web_search_options": None, "stream_options": None}
    told: Any = client.chat.completions.create(
        model="echo", messages=[*ask["messages"], answer, refusal, {"role": "user", "content": "x"}], extra_body=more
    )
    assert told.choices[0].message.content == "x"
