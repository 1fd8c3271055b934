"""From Gemini's form of a request to a prompt and options."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sibao.core.errors import BadInput
from sibao.core.types import Content as Said
from sibao.core.types import GenerateOptions, ImagePart, Message, Part, Sampling, TextPart
from sibao.server._gemini_form import json_schema, response_format
from sibao.server._gemini_schema import Ask, Blob, Content, GenerationConfig
from sibao.server._gemini_schema import Part as WirePart
from sibao.server._limit import AUTO, roomy
from sibao.server._tools import Call, Tool, call_format, call_text, instruction, result_text, tool
from sibao.server.desk import Asked
from sibao.text.language import detect


@dataclass(frozen=True)
class Request:
    """What is asked of a model. ``must_call``: nothing but a call of a function is an answer."""

    prompt: Asked
    options: GenerateOptions
    many: int = 1
    tools: tuple[Tool, ...] = ()
    must_call: bool = False

    @property
    def logprobs(self) -> bool:
        """Whether log-probabilities are wanted."""
        return self.options.sampling.logprobs is not None

    def each(self) -> list[tuple[Asked, GenerateOptions]]:
        """One prompt a candidate; a seed is counted on, so that they differ."""
        way = self.options.sampling
        seeds = [None if way.seed is None else way.seed + number for number in range(self.many)]
        return [(self.prompt, replace(self.options, sampling=replace(way, seed=seed))) for seed in seeds]


def read(ask: Ask, model: Any) -> Request:
    """The request, for ``model``.

    Raises:
        BadInput: parts that are not read, settings that do not go together. ContextOverflow: no room for an answer.
    """
    tools, mode = _tools(ask)
    config = ask.generation_config
    must = mode == "ANY" and bool(tools)
    form = call_format(tools) if must else response_format(config)
    if form is not None and tools and not must:
        raise BadInput("responseMimeType and functions do not go together", hint="leave out one, or set mode ANY")
    prompt = messages(ask.contents, ask.system_instruction, tools)
    limit = AUTO if config.max_output_tokens is None else config.max_output_tokens
    options = GenerateOptions(limit, _sampling(config), tuple(config.stop_sequences or ()), form)
    return Request(*roomy(model, prompt, options), config.candidate_count or 1, tools, must)


def turns_of(ask: Ask) -> list[Message]:
    """The prompt of a request, whether there is room for an answer or not.

    Raises:
        BadInput: parts that are not read.
    """
    return messages(ask.contents, ask.system_instruction, _tools(ask)[0])


def messages(contents: Sequence[Content], system: Content | None = None, tools: Sequence[Tool] = ()) -> list[Message]:
    """The turns. Those of one speaker that follow each other are one: a streamed answer comes back in its pieces.

    Raises:
        BadInput: a part that is not read, or nobody says anything.
    """
    found: list[tuple[str, list[Part]]] = []
    for turn in contents:
        if turn.role == "system":
            raise BadInput("contents has a turn of the role system", hint="put it into systemInstruction")
        role = "assistant" if turn.role == "model" else "user"
        parts = [part for one in turn.parts if not one.thought for part in _parts(one)]
        if found and found[-1][0] == role:
            found[-1][1].extend(parts)
        elif parts:
            found.append((role, parts))
    turns: list[Message] = [_message(role, parts) for role, parts in found]
    if not turns:
        raise BadInput("contents has no parts with anything in them", hint='"contents": [{"parts": [{"text": "..."}]}]')
    rules = [] if system is None else _texts([part for one in system.parts for part in _parts(one)])
    if tools:
        rules.append(instruction(tools, detect(_shown(found[-1][1]))))
    return [{"role": "system", "content": "\n\n".join(rules)}, *turns] if rules else turns


def _message(role: str, parts: list[Part]) -> Message:
    """Words alone are one text. What a model said is put together as it was written, what a user says part by part."""
    content: Said = parts
    if all(part["type"] == "text" for part in parts):
        content = ("" if role == "assistant" else "\n").join(_texts(parts))
    return {"role": "assistant" if role == "assistant" else "user", "content": content}


def _texts(parts: Sequence[Part]) -> list[str]:
    return [part["text"] for part in parts if part["type"] == "text"]


def _shown(parts: Sequence[Part]) -> str:
    return " ".join(_texts(parts))


def _parts(part: WirePart) -> list[Part]:
    if part.file_data is not None:
        raise BadInput("fileData is not fetched", hint="send the file itself as inlineData")
    if part.function_call is not None:
        return [_text(call_text(Call(part.function_call.name, part.function_call.args or {})))]
    if part.function_response is not None:
        return [_text(result_text(part.function_response.response or {}))]
    if part.inline_data is not None:
        return [_file(part.inline_data)]
    return [_text(part.text)] if part.text else []


def _text(text: str) -> TextPart:
    return TextPart(type="text", text=text)


def _file(blob: Blob) -> Part:
    """Both alphabets of base64 are read: Google's own client writes the one for URLs."""
    try:
        data = base64.b64decode(blob.data.translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("inlineData.data is not base64") from None
    if blob.mime_type.startswith("image/"):
        return ImagePart(type="image", image=data)
    if blob.mime_type.partition(";")[0] == "text/plain":
        try:
            return _text(data.decode("utf-8"))
        except UnicodeDecodeError:
            raise BadInput("inlineData of text/plain is not UTF-8") from None
    raise BadInput(f"inlineData is {blob.mime_type[:80]!r}, wanted image/... or text/plain")


def _tools(ask: Ask) -> tuple[tuple[Tool, ...], str]:
    calling = ask.tool_config.function_calling_config
    declared = {one.name: one for box in ask.tools for one in box.function_declarations}
    allowed = calling.allowed_function_names
    for name in allowed:
        if name not in declared:
            raise BadInput(f"allowedFunctionNames has {name[:80]!r}, which is not declared")
    if calling.mode == "NONE":
        return (), calling.mode
    made = []
    for name, one in declared.items():
        if allowed and name not in allowed:
            continue
        made.append(tool(name, one.description, one.parameters_json_schema or json_schema(one.parameters or {})))
    return tuple(made), calling.mode


def _sampling(config: GenerationConfig) -> Sampling:
    plain = Sampling()
    if config.logprobs and not config.response_logprobs:
        raise BadInput("logprobs is set and responseLogprobs is not", hint="set responseLogprobs to true")
    given: dict[str, Any] = {
        "temperature": config.temperature, "top_p": config.top_p, "top_k": config.top_k and int(config.top_k),
        "presence_penalty": config.presence_penalty, "frequency_penalty": config.frequency_penalty,
        "seed": None if config.seed is None else config.seed % 2**31,
    }  # fmt: skip
    logprobs = (config.logprobs or 0) if config.response_logprobs else None
    return replace(plain, logprobs=logprobs, **{name: value for name, value in given.items() if value is not None})
