"""How many tokens an answer may have where nobody says."""

from __future__ import annotations

from typing import Any

from sibao.core.errors import ContextOverflow
from sibao.core.types import Prompt

USUAL = 4096


def new_tokens(model: Any, prompt: Prompt, wanted: int | None, usual: int = USUAL) -> int:
    """``wanted``, else as many as the prompt leaves room for, ``usual`` at most.

    Raises:
        ContextOverflow: the prompt alone fills the model.
    """
    if wanted is not None:
        return wanted
    context = int(model.context)
    if getattr(model, "source_form", None) is not None:
        return min(usual, context)  # an encoder-decoder has room for the answer apart
    used = model.count(prompt)
    if used >= context:
        raise ContextOverflow(used + 1, context)
    return min(usual, context - used)
