"""Paragraphs, sentences and clauses of Chinese and English text.

Every function returns pieces whose concatenation is the text, to the character: white space after a piece belongs to
that piece, closing quotes and brackets stay with the sentence they close. The rules are few and stated, in the spirit
of Kiss & Strunk (2006), but with a fixed table of abbreviations instead of a learned one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from sibao.text.language import HAN

CLOSERS = "”’\"'」』）)】》〉]"
_MID = (
    "mr mrs ms dr prof st sr jr gen col lt capt sgt rev hon gov sen rep pres no nos vol fig figs eq cf "
    "jan feb mar apr jun jul aug sep sept oct nov dec mt ft"
)
_MAYBE = "vs etc al ca approx e.g i.e a.m p.m u.s u.k u.n d.c ph.d inc ltd co corp dept est ed eds trans pp ch sec ave"
NEVER_LAST = frozenset(_MID.split())
"""Abbreviations that a name or a figure follows: their full stop ends no sentence ("Dr. Chen", "Fig. 3")."""
SOMETIMES_LAST = frozenset(_MAYBE.split())
"""Abbreviations that may stand last: their full stop ends one unless a figure or a comma follows."""

# A Chinese full stop always ends; a Latin one needs white space, a closer or a Han character behind it.
_ENDER = re.compile(
    rf"(?P<zh>[。！？；…]+[。！？；…!?.]*)|(?<![.!?])(?P<en>[.!?]++)(?=[\s{re.escape(CLOSERS)}{HAN}]|$)"
)
_TAIL = re.compile(rf"[{re.escape(CLOSERS)}]*\s*")
_CJK = re.compile(rf"[{HAN}　-〿！-～“”…]")
_SPACE = re.compile(r"\s+")
_CLAUSE = re.compile(r"[，、；：,;:—]+[”’\"'」』）)】》〉\]]*\s*")


def paragraphs(text: str) -> list[str]:
    """Paragraphs, each with the line breaks that follow it.

    A blank line always breaks. A single line break does so only beside Chinese, which is not hard-wrapped.
    """
    return _slice(text, (found.end() for found in _SPACE.finditer(text) if _breaks(text, found)))


def _breaks(text: str, space: re.Match[str]) -> bool:
    """Whether a run of white space ends a paragraph; at the very beginning of the text it belongs to the first."""
    lines = space[0].count("\n")
    if lines != 1 or not space.start():
        return lines > 1 and space.start() > 0
    around = text[space.start() - 1] + text[space.end() : space.end() + 1]
    return _CJK.search(around) is not None


def sentences(text: str) -> list[str]:
    """Sentences, each with its closing quotes and the white space that follows; never across a paragraph."""
    return [sentence for paragraph in paragraphs(text) for sentence in _sentences(paragraph)]


def clauses(text: str) -> list[str]:
    """Pieces that end after a comma, semicolon, colon or dash: where a sentence that does not fit is cut."""
    return _slice(text, (found.end() for found in _CLAUSE.finditer(text)))


def _sentences(paragraph: str) -> list[str]:
    ends = []
    for found in _ENDER.finditer(paragraph):
        tail = _TAIL.match(paragraph, found.end())
        end = tail.end() if tail else found.end()
        if found["zh"] or _ends_here(paragraph, found.start(), end, found["en"]):
            ends.append(end)
    return _slice(paragraph, ends)


def _ends_here(text: str, stop: int, end: int, mark: str) -> bool:
    """Whether the Latin mark at ``stop`` ends a sentence; ``end`` is where the next one would begin."""
    following = text[end : end + 1]
    if following.islower():
        return False
    if mark != ".":
        return True
    before = text[max(0, stop - 20) : stop].split()
    word = before[-1].lstrip("(\"'“‘[").lower() if before and not text[stop - 1].isspace() else ""
    if word in NEVER_LAST or (len(word) == 1 and word.isalpha() and word != "i"):
        return not following  # "Dr. Chen", "J. Smith"
    return not (word in SOMETIMES_LAST and (following.isdigit() or not following or following in ",;:"))


def _slice(text: str, ends: Iterable[int]) -> list[str]:
    """Cut ``text`` at the given positions; a text without any is one piece, an empty text none."""
    cuts = sorted({0, len(text), *ends})
    return [text[a:b] for a, b in itertools.pairwise(cuts)]
