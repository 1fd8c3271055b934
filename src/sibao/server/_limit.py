"""How many tokens an answer may have where nobody says, and how many a text to embed has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from sibao.core.errors import ContextOverflow
from sibao.core.types import GenerateOptions, Prompt
from sibao.engine.engine import Engine
from sibao.providers._estimate import estimate
from sibao.providers._remote import RemoteModel
from sibao.providers.local import LocalModel, is_tokens
from sibao.server.desk import Asked

USUAL = 4096
AUTO = -1
"""``max_tokens`` of options that leave the number to ``roomy``."""


def roomy(model: Any, prompt: Asked, options: GenerateOptions) -> tuple[Asked, GenerateOptions]:
    """A prompt as its tokens, where Sibao's own engine reads it (so that it is encoded once; another back end may look at
    pictures in it), and options with a number of new tokens: as many as the prompt leaves room for, ``USUAL`` at most, where
    they name none. Computes: call it in a thread.

    Raises:
        BadInput: a prompt without a token. ContextOverflow: it leaves no room for a token.
    """
    if isinstance(model, LocalModel) and isinstance(model.engine, Engine) and not is_tokens(prompt):
        prompt = model.encode(cast(Prompt, prompt))
    if options.max_tokens != AUTO:
        return prompt, options
    context = int(model.context)
    if getattr(model, "source_form", None) is not None:  # an encoder-decoder has room for the answer apart
        return prompt, replace(options, max_tokens=min(USUAL, context))
    used = len(prompt) if is_tokens(prompt) else model.count(prompt)
    if used >= context:
        raise ContextOverflow(used + 1, context, what="the prompt and one new token")
    return prompt, replace(options, max_tokens=min(USUAL, context - used))


def tokens_of(model: Any, text: str) -> int:
    """Tokens of a text to embed; an estimate for a hosted model, which would be asked over the network for each text."""
    if isinstance(model, RemoteModel):
        return estimate(text)
    counts = getattr(model, "count", None)
    return int(counts(text)) if counts is not None else len(model.tokenizer.encode(text, add_special_tokens=True))
