"""Functions that a model may call: told in words where its template knows nothing of them, read back from text.

The form is the one that most open models were trained on (Hermes, Qwen): a JSON object with ``name`` and ``arguments``
between ``<tool_call>`` and ``</tool_call>``. Where a call is asked for, a schema leaves nothing else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sibao.core.errors import BadInput
from sibao.core.types import Language
from sibao.server._json_schema import closed, moved

OPEN, CLOSE, MARK = "<tool_call>", "</tool_call>", "[TOOL_CALLS]"
_FENCE = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL)
_BLOCK = re.compile(rf"{OPEN}\s*(.*?)\s*(?:{CLOSE}|\Z)", re.DOTALL)
_BEGUN = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(.*)', re.DOTALL)
_ARGUMENTS = "/properties/arguments"
_WORDS: dict[Language, tuple[str, str]] = {
    "en": (
        "Functions you can call, with the JSON schemas of their arguments:\n{tools}\n",
        f'To call one, write {OPEN}{{"name": NAME, "arguments": OBJECT}}{CLOSE} and nothing else.',
    ),
    "zh": (
        "可以调用的函数和参数的 JSON Schema：\n{tools}\n",
        f'调用时只写 {OPEN}{{"name": 函数名, "arguments": 参数}}{CLOSE}。',
    ),
}


@dataclass(frozen=True)
class Tool:
    """A function. ``parameters`` is the JSON schema of its arguments, an object's."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})

    def shown(self) -> dict[str, Any]:
        """As a model reads it."""
        said = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True)
class Call:
    """A function's name and its arguments. ``begun``: their text as far as it goes, where the answer was cut off in them."""

    name: str
    arguments: dict[str, Any]
    begun: str | None = None

    @property
    def text(self) -> str:
        """The arguments as JSON."""
        return json.dumps(self.arguments, ensure_ascii=False) if self.begun is None else self.begun


def tool(name: str, description: str, parameters: dict[str, Any] | None) -> Tool:
    """A function as a client describes it.

    Raises:
        BadInput: its arguments are to be something else than an object.
    """
    schema = {"type": "object", "properties": {}} | (parameters or {})
    if schema["type"] != "object":
        raise BadInput(
            f"the parameters of {name!r} have the type {str(schema['type'])[:80]!r}, wanted 'object'",
            hint="describe each argument as one of its properties",
        )
    return Tool(name, description, schema)


def instruction(tools: Sequence[Tool], language: Language) -> str:
    """What stands in the system's message."""
    head, rule = _WORDS[language]
    lines = "\n".join(json.dumps(tool.shown(), ensure_ascii=False) for tool in tools)
    return head.format(tools=lines) + rule


def call_format(tools: Sequence[Tool]) -> dict[str, Any]:
    """The ``response_format`` that leaves nothing but a call of one of these."""
    several = len(tools) > 1
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool.name},
                "arguments": moved(closed(tool.parameters), f"/anyOf/{n}{_ARGUMENTS}" if several else _ARGUMENTS),
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for n, tool in enumerate(tools)
    ]
    return {"type": "json_schema", "json_schema": {"schema": {"anyOf": calls} if several else calls[0]}}


def read_calls(text: str, tools: Sequence[Tool], *, must: bool = False) -> tuple[str, list[Call]]:
    """The words before the calls, and the calls: marked ones, or a text that is nothing but a call or a list of calls (as
    Llama and Mistral write them). A call of a function that nobody named, or with broken JSON, stays text.

    Args:
        must: a call was asked for. A text that begins as an object and is none yet is one that was cut off, and no words;
            what a model says that is not held to ``call_format`` stays text.
    """
    names = {tool.name for tool in tools}
    blocks = _BLOCK.findall(text)
    found = [call for block in blocks or [_bare(text)] for call in _calls(block, names)]
    calls = [call for call in found if call is not None]
    if not calls or len(calls) != len(found):
        return ("", _begun(text, names)) if must and text.lstrip()[:1] in ("", "{") else (text, [])
    return (text.partition(OPEN)[0].strip() if blocks else ""), calls


def _begun(text: str, names: set[str]) -> list[Call]:
    """A call that was cut off, if its function's name is there."""
    found = _BEGUN.fullmatch(text)
    return [Call(name, {}, found[2]) for name in names if found and found[1] == json.dumps(name, ensure_ascii=False)]


def _bare(text: str) -> str:
    """Without a fence of Markdown, or Mistral's mark."""
    fence = _FENCE.fullmatch(text)
    return (fence[1] if fence else text).strip().removeprefix(MARK)


def _calls(text: str, names: set[str]) -> list[Call | None]:
    try:
        found = loads(text)
    except (ValueError, RecursionError):
        return [None]
    return [_call(one, names) for one in (found if isinstance(found, list) else [found])]


def _call(found: Any, names: set[str]) -> Call | None:
    if not isinstance(found, dict) or not isinstance(found.get("name"), str) or found["name"] not in names:
        return None
    arguments = found.get("arguments", found.get("parameters", {}))
    return Call(found["name"], arguments) if isinstance(arguments, dict) else None


def loads(text: str) -> Any:
    """What some JSON says that a model wrote, or a client within a text. Halves of surrogate pairs, which no text can hold,
    become U+FFFD.

    Raises:
        ValueError: it is none, or has a number that JSON cannot write again.
    """
    said = json.loads(text, parse_constant=_number, parse_float=_number)
    if "\\u" not in text:
        return said
    shown = json.dumps(said, ensure_ascii=False)
    return json.loads(shown.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:80]} is no number of JSON")
    return number


def call_text(call: Call) -> str:
    """A call as it stands in a conversation."""
    said = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
    return f"{OPEN}{said}{CLOSE}"


def result_text(result: Any) -> str:
    """What a function gave, as it stands in a conversation: text as it is, all else as JSON."""
    said = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return f"<tool_response>{said}</tool_response>"


class Sieve:
    """Lets a streamed text pass up to where it may be a call. ``held`` is what it keeps back."""

    def __init__(self) -> None:
        self.held, self._begun = "", False

    def push(self, text: str) -> str:
        """What can be shown now."""
        self.held += text
        start = self._start()
        shown, self.held = self.held[:start], self.held[start:]
        self._begun = self._begun or bool(shown.strip())
        return shown

    def _start(self) -> int:
        """Where something begins that may be a call."""
        if not self._begun and self.held.lstrip()[:1] in ("", "{", "[", "`"):
            return 0
        place = self.held.find("<")
        while place >= 0:
            tail = self.held[place : place + len(OPEN)]
            if OPEN.startswith(tail):
                return place
            place = self.held.find("<", place + 1)
        return len(self.held)
