"""Functions that a model may call, over OpenAI's protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
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
