"""An answer found in written text, by the kind of answer that is wanted."""

from __future__ import annotations

import re

_OPTION = re.compile(r"\(([A-Za-z])\)")
_LETTER = re.compile(r"\s*([A-Z])\b(?!['’])")
_WORDS = ({"yes", "no"}, {"true", "false"}, {"valid", "invalid"})
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SAID = re.compile(r"answer is:?", re.IGNORECASE)


def found_in(text: str, target: str) -> str:
    """The answer in ``text``, written as ``target`` writes it; empty where there is none of its kind.

    What follows "the answer is" (the last of these) counts, where that is said. An option ``(B)`` may stand alone as ``B``; of
    words such as yes and no the first one counts, of numbers the last one; anything else is the first line.
    """
    text = _SAID.split(text)[-1]
    if re.fullmatch(r"\([A-Z]\)", target):
        found = _OPTION.search(text) or _LETTER.match(text)
        return f"({found[1].upper()})" if found else ""
    words = next((pair for pair in _WORDS if target.lower() in pair), None)
    if words:
        return _word(text, words, target)
    if _NUMBER.fullmatch(target):
        numbers = _NUMBER.findall(text.replace(",", ""))
        return numbers[-1] if numbers else ""
    first = " ".join(text.strip().partition("\n")[0].split()).removesuffix(".")
    return target if first.casefold() == " ".join(target.split()).casefold() else first


def _word(text: str, words: set[str], target: str) -> str:
    found = re.search(rf"\b({'|'.join(sorted(words))})\b", text, re.IGNORECASE)
    if not found:
        return ""
    return found[1].capitalize() if target[:1].isupper() else found[1].lower()
