"""Conversations as OpenAI's clients send them, in the form that models read: roles, pictures, functions and their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sibao.core.errors import BadInput
from sibao.core.types import Content, Message, Role, words
from sibao.providers.local import LocalModel
from sibao.server._openai_messages_form import (
    AnyMessage,
    AssistantMessage,
    NamedTool,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCallIn,
    ToolMessage,
    UserMessage,
)
from sibao.server._tools import Call, Tool, call_format, call_text, instruction, loads, read_calls, result_text
from sibao.server.desk import Asked
from sibao.text.chat import knows_tools, render
from sibao.text.language import detect


@dataclass(frozen=True)
class Calling:
    """Functions that the model may call, and those of them that it must: one of ``must``."""

    tools: tuple[Tool, ...] = ()
    must: tuple[Tool, ...] = ()

    def shape(self, format: dict[str, Any] | None) -> dict[str, Any] | None:
        """The form of the answer.

        Raises:
            BadInput: an answer of another form is wanted too.
        """
        if format is not None and self.tools:
            raise BadInput("response_format and tools contradict each other", hint='leave one out: tool_choice "none"')
        return call_format(self.must) if self.must else format

    def read(self, text: str) -> tuple[str, list[Call]]:
        """The words of an answer, or of its end, and its calls."""
        return read_calls(text, self.tools, must=bool(self.must)) if self.tools else (text, [])


def calling(tools: Sequence[Tool], choice: str | NamedTool | None) -> Calling:
    """What a ``tool_choice`` makes of some functions.

    Raises:
        BadInput: it names none of them.
    """
    if choice == "none":
        return Calling()
    if isinstance(choice, str) or choice is None:
        must = tuple(tools) if choice == "required" else ()
        named = "required" if choice == "required" else ""
    else:
        named = choice.function.name
        must = tuple(tool for tool in tools if tool.name == named)
    if named and not must:
        raise BadInput(f"tool_choice is {named!r}, and tools has no such function", hint="add it to tools")
    return Calling(tuple(tools), must)


def prompt_of(model: Any, messages: Sequence[AnyMessage], tools: Sequence[Tool]) -> Asked:
    """What the model reads. Computes: call it in a thread.

    Raises:
        BadInput: the model's template refuses the messages; or a function or a call holds a control token.
    """
    calls = bool(tools) or any(_has_calls(message) for message in messages)
    if calls and isinstance(model, LocalModel) and knows_tools(model.tokenizer):
        shown = [{"type": "function", "function": tool.shown()} for tool in tools]
        return render(model.tokenizer, [_native(message) for message in messages], tools=shown)
    plain = [_plain(message) for message in messages]
    return _instructed(plain, tools) if tools else plain


def _has_calls(message: AnyMessage) -> bool:
    return isinstance(message, ToolMessage) or (isinstance(message, AssistantMessage) and bool(message.tool_calls))


def _instructed(messages: list[Message], tools: Sequence[Tool]) -> list[Message]:
    """With the functions in the system's message."""
    said = [words(one) for one in messages if isinstance(one["content"], str)]
    rule = instruction(tools, detect("\n".join(said[-1:]) or "a"))
    if messages[0]["role"] != "system":
        return [Message(role="system", content=rule), *messages]
    return [Message(role="system", content=f"{words(messages[0])}\n\n{rule}"), *messages[1:]]


def _content(content: Any) -> Content:
    if isinstance(content, str):
        return content
    parts = (TextPart(type="text", text=one.text) if isinstance(one, RefusalPart) else one for one in content)
    return cast(Content, [part.model_dump() for part in parts])


def _plain(message: AnyMessage) -> Message:
    """For a model that knows three roles."""
    if isinstance(message, ToolMessage):
        return Message(role="user", content=result_text(_words(message.content)))
    if isinstance(message, AssistantMessage):
        said = [_words(message.content)] if message.content else []
        said += [call_text(_call(one)) for one in message.tool_calls or ()]
        return Message(role="assistant", content="\n".join(said))
    role: Role = "system" if isinstance(message, SystemMessage) else "user"
    return Message(role=role, content=_content(message.content))


def _native(message: AnyMessage) -> Message:
    """For a template that knows functions."""
    if isinstance(message, ToolMessage):
        said = {"role": "tool", "content": _words(message.content), "tool_call_id": message.tool_call_id}
        return cast(Message, said)
    if isinstance(message, SystemMessage | UserMessage) or not message.tool_calls:
        return _plain(message)
    calls = [
        {"id": one.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for one, call in ((one, _call(one)) for one in message.tool_calls)
    ]
    answer: Any = {"role": "assistant", "content": _words(message.content or ""), "tool_calls": calls}
    return cast(Message, answer)


def _words(content: Any) -> str:
    return words(Message(role="user", content=_content(content)))


def _call(one: ToolCallIn) -> Call:
    try:
        arguments = loads(one.function.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise BadInput(f"the arguments of the call {one.id[:80]!r} are no JSON object", hint='for example "{}"')
    return Call(one.function.name, arguments)
