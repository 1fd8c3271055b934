"""Small slips in a text: mistyped letters, characters that sound alike, punctuation of the other width.

Nothing inside ``$…$`` or `` `…` `` is touched, nor words with digits or backslashes: formulas and code stay what they are.
"""

from __future__ import annotations

import functools
import random
import re
from collections import defaultdict

TYPO_WORDS = 0.1
"""Share of English words (of four letters and more) that get a slip."""
TYPO_CHARACTERS = 0.05
"""Share of Chinese characters that get one."""
_FIXED = re.compile(r"(\$[^$]*\$|`[^`]*`)")
_WORD = re.compile(r"(?<![\w\\])[A-Za-z]{4,}(?!\w)")
_HAN = re.compile(r"[一-鿿]")
_WIDE = str.maketrans(",.?!:;()", "，．？！：；（）")
_NARROW = {"，": ",", "。": ".", "．": ".", "？": "?", "！": "!", "：": ":", "；": ";", "（": "(", "）": ")"}
_SIGN = re.compile(r"[,.?!:;](?=\s|$)|[()]")


def mistyped(text: str, draw: random.Random) -> str:
    """Some words with two letters swapped, one left out or one doubled; some characters replaced by one of the same sound and
    tone, or swapped with the next one where none has it. At least one slip where there is a place for one."""
    places = [place for place in _places(text) if draw.random() < (TYPO_WORDS if place[2] else TYPO_CHARACTERS)]
    every = _places(text)
    if not places and every:
        places = [draw.choice(every)]
    for begin, end, word in reversed(places):  # from the end, so that earlier places stay where they are
        text = text[:begin] + _slip(text, begin, end, word, draw)
    return text


def _places(text: str) -> list[tuple[int, int, bool]]:
    """(begin, end, is a word) of all words and characters that may get a slip, in order."""
    found, at = [], 0
    for number, part in enumerate(_FIXED.split(text)):
        if number % 2 == 0:
            for pattern in (_WORD, _HAN):
                found += [(at + m.start(), at + m.end(), pattern is _WORD) for m in pattern.finditer(part)]
        at += len(part)
    return sorted(found)


def _slip(text: str, begin: int, end: int, word: bool, draw: random.Random) -> str:
    """The text from ``begin`` on, with a slip in what ends at ``end``."""
    if word:
        return _letters(text[begin:end], draw) + text[end:]
    alike = homophones().get(text[begin], ())
    if alike:
        return draw.choice(alike) + text[end:]
    if _HAN.match(text[end : end + 1]):
        return text[end] + text[begin] + text[end + 1 :]
    return text[begin:]


def _letters(word: str, draw: random.Random) -> str:
    """The first letter stays, as it does in most slips of people."""
    at = draw.randrange(1, len(word) - 1)
    kind = draw.randrange(3)
    if kind == 0 and word[at] != word[at + 1]:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    return word[: at + 1] + word[at:]


@functools.cache
def homophones() -> dict[str, tuple[str, ...]]:
    """For each of the 3,755 common characters (GB 2312, first level) the others of the same syllable and tone."""
    from pypinyin import Style, pinyin

    common = [bytes((high, low)) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF)]
    characters = [code.decode("gb2312") for code in common if code < b"\xd7\xfa"]
    sounds: dict[str, list[str]] = defaultdict(list)
    for one in characters:
        sounds[pinyin(one, style=Style.TONE3, heteronym=False)[0][0]].append(one)
    return {one: tuple(other for other in alike if other != one) for alike in sounds.values() for one in alike}


def other_width(text: str) -> str:
    """Half-width punctuation in full width, and the other way round. A point or comma inside a number stays."""
    parts = _FIXED.split(text)
    return "".join(part if number % 2 else _turned(part) for number, part in enumerate(parts))


def _turned(part: str) -> str:
    return "".join(
        piece.translate(_WIDE) if wide else "".join(_NARROW.get(one, one) for one in piece)
        for wide, piece in _cut(part)
    )


def _cut(part: str) -> list[tuple[bool, str]]:
    """(is a half-width sign that stands as punctuation, piece), all pieces in order."""
    found, at = [], 0
    for match in _SIGN.finditer(part):
        found += [(False, part[at : match.start()]), (True, match[0])]
        at = match.end()
    return [*found, (False, part[at:])]
