"""Rendering messages to token ids: the model's own template, and nobody else renders.

The string is encoded as a whole, as Transformers does. Only where a message holds text that looks like a control token
are the pieces encoded apart, so that typed control strings stay text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sibao.core.errors import BadInput, ModelError
from sibao.core.types import Message
from sibao.text.tokenizer import Tokenizer

_OPEN, _CLOSE = "\ue000", "\ue001"  # private-use characters: mark where a message's content stands in the template


@lru_cache(maxsize=16)
def _compile(template: str) -> Any:
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals["raise_exception"] = _refuse
    try:
        return environment.from_string(template)
    except TemplateError as error:
        raise ModelError(f"the chat template is not valid Jinja: {error}") from None


def _refuse(message: str) -> None:
    raise BadInput(f"the chat template refuses these messages: {message}")


def to_text(tokenizer: Tokenizer, messages: Sequence[Message], *, generation: bool = True) -> str:
    """The string that the model's template makes of the messages.

    Raises:
        ModelError: the tokenizer has no template, or it fails.
        BadInput: the template refuses the messages (two user turns in a row, say).
    """
    from jinja2 import TemplateError

    template = tokenizer.chat_template
    if not template:
        raise ModelError("this model has no chat template", hint="give it plain text instead of messages")
    names = {k: _content(tokenizer.config.get(k)) for k in ("bos_token", "eos_token", "pad_token", "unk_token")}
    try:
        return _compile(template).render(messages=list(messages), add_generation_prompt=generation, **names)
    except TemplateError as error:
        raise ModelError(f"the chat template fails: {error}") from None


def _content(token: Any) -> str:
    return token.get("content", "") if isinstance(token, dict) else token or ""


def render(tokenizer: Tokenizer, messages: Sequence[Message], *, generation: bool = True) -> list[int]:
    """Token ids of the messages under the model's template.

    Args:
        generation: end with the opening of the assistant's turn.
    """
    controls = [t.content for t in tokenizer.backend.get_added_tokens_decoder().values()]
    if not any(c in m["content"] for m in messages for c in controls):
        return tokenizer.encode(to_text(tokenizer, messages, generation=generation), specials=True)
    marked = [Message(role=m["role"], content=f"{_OPEN}{i}{_CLOSE}") for i, m in enumerate(messages)]
    ids: list[int] = []
    for i, part in enumerate(to_text(tokenizer, marked, generation=generation).split(_OPEN)):
        number, closed, rest = part.partition(_CLOSE)
        if i and closed:
            ids += tokenizer.encode(messages[int(number)]["content"])
        ids += tokenizer.encode(rest if closed else part, specials=True)
    return ids


def training_ids(tokenizer: Tokenizer, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
    """Token ids of a whole conversation and its loss mask: 1 on what the assistant says (its end-of-turn included), else 0.

    Raises:
        BadInput: no assistant turn carries loss.
    """
    ids: list[int] = []
    mask: list[int] = []
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = render(tokenizer, messages[:i], generation=True)
        whole = _until_end(tokenizer, render(tokenizer, messages[: i + 1], generation=False), len(prompt))
        if whole[: len(prompt)] != prompt or prompt[: len(ids)] != ids:
            raise ModelError("the chat template rewrites earlier turns; their loss mask cannot be found")
        mask += [0] * (len(prompt) - len(ids)) + [1] * (len(whole) - len(prompt))
        ids = whole
    if not any(mask):
        raise BadInput("no assistant turn to learn from", hint='a row needs a message with "role": "assistant"')
    return ids, mask


def _until_end(tokenizer: Tokenizer, ids: list[int], start: int) -> list[int]:
    """Cut what the template puts after the end-of-turn token (a line break in ChatML): the model never has to say it."""
    for i in range(len(ids) - 1, start - 1, -1):
        if ids[i] in tokenizer.eos_ids:
            return ids[: i + 1]
    return [*ids, *tokenizer.eos_ids[:1]]
