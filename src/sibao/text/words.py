"""Which tokens of a text begin a word: English and other words with their pieces together, Chinese words as jieba cuts them.

Masking whole words makes the task harder, as no piece of a word gives the others away (Cui et al. 2021, arXiv 1906.08101).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sibao.core.chinese import cutter
from sibao.text.language import HAN

_UNIT = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+(?:['’][^\W\d_{HAN}]+)?|\S")
_HAN = re.compile(f"[{HAN}]")


def words_of(text: str) -> list[tuple[int, int]]:
    """Begin and end of every word and sign of a text, in order; white space is in none."""
    found: list[tuple[int, int]] = []
    for unit in _UNIT.finditer(text):
        at = unit.start()
        parts = cutter().cut(unit.group()) if _HAN.match(unit.group()) else [unit.group()]
        for part in parts:
            found.append((at, at + len(part)))
            at += len(part)
    return found


def word_starts(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """1 for each token that begins a word, 0 for one that goes on with the word before it.

    Args:
        offsets: characters [begin, end) of the text that each token stands for (several may share one character).
            A token over the border of two words joins them.
    """
    word_at = [-1] * len(text)
    for number, (begin, end) in enumerate(words_of(text)):
        word_at[begin:end] = [number] * (end - begin)
    marks, last = [], -1
    for begin, end in offsets:
        inside = [word_at[i] for i in range(begin, end) if word_at[i] >= 0]
        if not inside:  # white space alone: a word of its own
            marks.append(1)
            continue
        marks.append(int(inside[0] > last))
        last = max(last, inside[-1])
    return marks
