"""OpenAI's responses over real HTTP, by its own SDK."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]},
    "strict": True,
}
ASK: dict[str, Any] = {"model": "mini", "input": "你好！", "max_output_tokens": 300, "temperature": 0}


def test_one_answer(client: OpenAI) -> None:
    answer = client.responses.create(**ASK, metadata={"a": "b"}, instructions="Be kind.")
    assert answer.output_text and answer.status in ("completed", "incomplete") and answer.metadata == {"a": "b"}
    assert (
        answer.usage is not None and answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    )
    bare = client.responses.create(**ASK)
    assert bare.usage is not None and bare.usage.input_tokens < answer.usage.input_tokens
    short = client.responses.create(**(ASK | {"max_output_tokens": 1}))
    assert short.status == "incomplete" and short.incomplete_details is not None
    assert short.incomplete_details.reason == "max_output_tokens"


def test_streamed_is_whole(client: OpenAI) -> None:
    whole = client.responses.create(**ASK)
    seen, text = [], ""
    with client.responses.stream(**ASK) as stream:
        for event in stream:
            seen.append(event.type)
            text += event.delta if event.type == "response.output_text.delta" else ""
        final = stream.get_final_response()
    assert text == final.output_text == whole.output_text
    assert seen[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    last = [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert seen[-4:] == last and seen.count("response.output_text.delta") > 1  # a piece may hold several tokens
    raw = list(client.responses.create(**ASK, stream=True))
    assert [event.sequence_number for event in raw] == list(range(len(raw)))


def test_a_conversation_of_items(client: OpenAI) -> None:
    items: Any = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c", "name": "weather", "arguments": '{"city": "Paris"}'},
        {"type": "function_call_output", "call_id": "c", "output": "sunny"},
    ]
    assert client.responses.create(model="echo", input=items).output_text == "<tool_response>sunny</tool_response>"


def test_a_schema(client: OpenAI) -> None:
    class Mood(BaseModel):
        mood: bool

    parsed = client.responses.parse(**ASK, text_format=Mood)
    assert isinstance(parsed.output_parsed, Mood)


def test_a_call(client: OpenAI) -> None:
    answer = client.responses.create(**ASK, tools=[WEATHER], tool_choice="required")
    call = answer.output[0]
    assert call.type == "function_call" and json.loads(call.arguments) == {"city": "Paris"}
    events = list(client.responses.create(**ASK, tools=[WEATHER], tool_choice="required", stream=True))
    kinds = [event.type for event in events]
    assert "response.function_call_arguments.done" in kinds and "response.output_text.delta" not in kinds
    done = events[-1]
    assert done.type == "response.completed" and done.response.output[0].type == "function_call"


def test_logprobs(client: OpenAI) -> None:
    answer = client.responses.create(**ASK, include=["message.output_text.logprobs"], top_logprobs=2)
    part: Any = answer.output[0].content[0]  # type: ignore[union-attr]
    assert "".join(one.token for one in part.logprobs) == answer.output_text and len(part.logprobs[0].top_logprobs) == 2


def test_what_is_refused(client: OpenAI) -> None:
    more: dict[str, Any]
    for more, why in (
        ({"previous_response_id": "resp_1"}, "keeps no answers"), ({"truncation": "auto"}, "truncation"),
        ({"background": True}, "background"), ({"reasoning": {"effort": "high"}}, "reasoning"),
        ({"tools": [{"type": "web_search"}]}, "tools"), ({"input": [{"type": "item_reference", "id": "x"}]}, "input"),
        ({"input": []}, "input"), ({"conversation": "c"}, "conversation"),
    ):  # fmt: skip
        with pytest.raises(openai.BadRequestError, match=why):
            client.responses.create(**(ASK | more))


def test_logprobs_where_a_call_might_come(client: OpenAI) -> None:
    tools: Any = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}]
    ask: Any = {"model": "echo", "input": "{not json", "tools": tools, "include": ["message.output_text.logprobs"]}
    events = list(client.responses.create(**ask, stream=True))
    deltas = [one for event in events if event.type == "response.output_text.delta" for one in event.logprobs]
    done = next(event for event in events if event.type == "response.output_text.done")
    assert [one.token for one in deltas] == [one.token for one in done.logprobs or ()]
    ask |= {"model": "mini", "input": "<tool", "max_output_tokens": 12, "temperature": 0}
    events = list(client.responses.create(**ask, stream=True))
    deltas = [one for event in events if event.type == "response.output_text.delta" for one in event.logprobs]
    assert len(deltas) == 12


def test_nulls_and_lists_of_parts_are_taken(client: OpenAI) -> None:
    call: Any = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "namespace": None}
    output: Any = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "fine"}]}
    refusal: Any = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    answer = client.responses.create(model="echo", input=[refusal, call, output], conversation=None, prompt=None)
    assert "fine" in answer.output_text
