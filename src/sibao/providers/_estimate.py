"""How many tokens a prompt may have, for interfaces that do not count before they charge: an estimate, rather too high.

A character of Chinese, Japanese or Korean counts as one token, three bytes of anything else as one (English has four or more
a token in today's vocabularies), a turn as four more, a picture as a thousand.
"""

from __future__ import annotations

import re

from sibao.core.types import Prompt

TURN = 4
PICTURE = 1000
BYTES = 3
_WIDE = re.compile("[\u1100-\u11ff\u2e80-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def estimate(prompt: Prompt) -> int:
    """Tokens of a prompt, or of a text."""
    if isinstance(prompt, str):
        return _text(prompt)
    return sum(TURN + _content(message["content"]) for message in prompt)


def _content(content: object) -> int:
    if isinstance(content, str):
        return _text(content)
    parts = content if isinstance(content, list | tuple) else ()
    return sum(_text(p["text"]) if p.get("type") == "text" else PICTURE * p.get("frames", 1) for p in parts)


def _text(text: str) -> int:
    rest, wide = _WIDE.subn("", text)
    return wide + -(-len(rest.encode("utf-8", "surrogatepass")) // BYTES)
