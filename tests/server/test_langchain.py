"""LangChain's OpenAI chat class as a client."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr
from tests.serving import Served


class Review(BaseModel):
    """What somebody thinks of a film."""

    good: bool


def chat(served: Served, model: str = "mini", **more: Any) -> ChatOpenAI:
    key = SecretStr("none")
    return ChatOpenAI(base_url=f"{served.url}/v1", api_key=key, model=model, temperature=0, max_retries=0, **more)


def test_it_answers_and_streams(served: Served) -> None:
    messages = [SystemMessage("Be brief."), HumanMessage("你好！")]
    model = chat(served, max_completion_tokens=20)
    answer = model.invoke(messages)
    assert answer.text and answer.usage_metadata is not None and answer.usage_metadata["output_tokens"] > 0
    pieces = list(model.stream(messages))
    assert "".join(piece.text for piece in pieces) == answer.text and len(pieces) > 2
    assert [one.text for one in model.batch([messages, messages])] == [answer.text] * 2


def test_structured_output_and_tools(served: Served) -> None:
    for method in ("json_schema", "function_calling"):
        model = chat(served).with_structured_output(Review, method=method)
        assert isinstance(model.invoke("The film was long."), Review), method
    answer = (
        chat(served, "echo").bind_tools([Review]).invoke('<tool_call>{"name": "Review", "arguments": {"good": true}}')
    )
    assert answer.tool_calls[0]["args"] == {"good": True}
