"""Rendering messages to token ids: the model's own template, and nobody else renders.

The string is encoded as a whole, as Transformers does. Only where a message holds text that looks like a control token
are the pieces encoded apart, so that typed control strings stay text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from sibao.core.errors import BadInput, ModelError
from sibao.core.types import Message, words
from sibao.text.tokenizer import Tokenizer

Tools = Sequence[Mapping[str, Any]]
"""Functions as OpenAI writes them, for templates that show them to the model."""
_OPEN, _CLOSE = "\ue000", "\ue001"  # private-use characters: mark where a message's content stands in the template


MAX_TEMPLATE = 1 << 18
"""Characters of a template at most; the longest published ones have a tenth of that."""


@lru_cache(maxsize=16)
def _compile(template: str) -> Any:
    from jinja2 import TemplateError

    from sibao.text._bounded import BoundedEnvironment, budget, too_much

    if len(template) > MAX_TEMPLATE:
        raise ModelError(f"the chat template has {len(template)} characters; at most {MAX_TEMPLATE} are read")
    environment = BoundedEnvironment()
    environment.globals["raise_exception"] = _refuse
    try:
        with budget():
            return environment.from_string(template)
    except (TemplateError, SyntaxError) as error:
        raise ModelError(f"the chat template is not valid Jinja: {error}") from None
    except (RecursionError, MemoryError, OverflowError):
        raise too_much() from None


def _refuse(message: str) -> None:
    raise BadInput(f"the chat template refuses these messages: {message}")


def knows_tools(tokenizer: Tokenizer) -> bool:
    """Whether the model's template shows functions that it may call."""
    return "tools" in (tokenizer.chat_template or "")


def to_text(tokenizer: Tokenizer, messages: Sequence[Message], *, generation: bool = True, tools: Tools = ()) -> str:
    """The string that the model's template makes of the messages, and of the functions that the model may call.

    Raises:
        ModelError: the tokenizer has no template, or it fails.
        BadInput: the template refuses the messages (two user turns in a row, say), or one holds a picture.
    """
    from jinja2 import TemplateError

    from sibao.text._bounded import budget, too_much

    template = tokenizer.chat_template
    if not template:
        raise ModelError("this model has no chat template", hint="give it plain text instead of messages")
    turns = [{**message, "content": words(message)} for message in messages]
    names = {k: _content(tokenizer.config.get(k)) for k in ("bos_token", "eos_token", "pad_token", "unk_token")}
    compiled = _compile(template)
    more = {"tools": list(tools)} if tools else {}
    try:
        with budget(turns):
            text: str = compiled.render(messages=turns, add_generation_prompt=generation, **names, **more)
            return text
    except (RecursionError, MemoryError, OverflowError):
        raise too_much() from None
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise ModelError(f"the chat template fails: {error}") from None


def _content(token: Any) -> str:
    return token.get("content", "") if isinstance(token, dict) else token or ""


def render(
    tokenizer: Tokenizer, messages: Sequence[Message], *, generation: bool = True, tools: Tools = ()
) -> list[int]:
    """Token ids of the messages under the model's template.

    Args:
        generation: end with the opening of the assistant's turn.
        tools: functions that the model may call; messages may then hold ``tool_calls``.

    Raises:
        BadInput: a function or a call holds text that looks like a control token.
    """
    _refuse_controls(tokenizer, messages, tools)
    shown = _marked(tokenizer, messages)
    return _encode(tokenizer, to_text(tokenizer, shown, generation=generation, tools=tools), messages)


def _controls(tokenizer: Tokenizer) -> list[str]:
    return [t.content for t in tokenizer.backend.get_added_tokens_decoder().values()]


def _refuse_controls(tokenizer: Tokenizer, messages: Sequence[Message], tools: Tools) -> None:
    """Functions are put into the text by the template in ways of its own: no mark can stand for what is in them."""
    calls = [call for message in messages for call in message.get("tool_calls") or ()]  # type: ignore[attr-defined]
    if not tools and not calls:
        return
    said = json.dumps([*tools, *calls], ensure_ascii=False)
    for control in _controls(tokenizer):
        if control in said:
            raise BadInput(
                f"a function or a call holds {control!r}, a control token of this model", hint="leave it out"
            )


def _marked(tokenizer: Tokenizer, messages: Sequence[Message]) -> Sequence[Message]:
    """The messages as they are or, where one holds a control string, marks in place of all contents."""
    controls = _controls(tokenizer)
    if not any(c in words(m) for m in messages for c in (*controls, _OPEN)):
        return messages
    marks = ({**m, "content": f"{_OPEN}{i}{_CLOSE}"} for i, m in enumerate(messages))
    return cast(list[Message], list(marks))


def _encode(tokenizer: Tokenizer, text: str, messages: Sequence[Message]) -> list[int]:
    """Token ids of (a part of) what the template made; marked contents are encoded apart, as text."""
    first, *parts = text.split(_OPEN)
    ids = tokenizer.encode(first, specials=True)
    for part in parts:
        number, _, rest = part.partition(_CLOSE)
        ids += tokenizer.encode(words(messages[int(number)]))
        ids += tokenizer.encode(rest, specials=True)
    return ids


def training_ids(
    tokenizer: Tokenizer, messages: Sequence[Message], *, last: bool = False
) -> tuple[list[int], list[int]]:
    """Token ids of a whole conversation and its loss mask: 1 on what the assistant says (its end-of-turn included), else 0.

    What the assistant says is encoded apart from what stands before it, because that is how the model will say it.

    Args:
        last: only the last assistant turn carries loss; a template may show the ones before it as it likes.

    Raises:
        BadInput: no assistant turn carries loss.
        ModelError: a template that shows earlier turns differently once later ones follow.
    """
    shown = _marked(tokenizer, messages)
    ids: list[int] = []
    mask: list[int] = []
    done = ""
    said_at = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
    for i in said_at[-1:] if last else said_at:
        prompt = to_text(tokenizer, shown[:i], generation=True)
        whole = to_text(tokenizer, shown[: i + 1], generation=False)
        if not (prompt.startswith(done) and whole.startswith(prompt)):
            raise ModelError("the chat template rewrites earlier turns; their loss mask cannot be found")
        before = _encode(tokenizer, prompt[len(done) :], messages)
        said, after = _until_end(tokenizer, _encode(tokenizer, whole[len(prompt) :], messages))
        ids += [*before, *said, *after]
        mask += [0] * len(before) + [1] * len(said) + [0] * len(after)
        done = whole
    if not any(mask):
        raise BadInput("no assistant turn to learn from", hint='a row needs a message with "role": "assistant"')
    end = len(mask) - mask[::-1].index(1)
    return ids[:end], mask[:end]


def _until_end(tokenizer: Tokenizer, ids: list[int]) -> tuple[list[int], list[int]]:
    """What the model has to say, its end-of-turn token included, and what the template puts after that (a line break in
    ChatML). A template without an end gets the first one there is."""
    for i in range(len(ids) - 1, -1, -1):
        if ids[i] in tokenizer.eos_ids:
            return ids[: i + 1], ids[i + 1 :]
    return [*ids, *tokenizer.eos_ids[:1]], []
