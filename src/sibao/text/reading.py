"""A question and its passage as an encoder reads them: ``[CLS] question [SEP] passage [SEP]``, a long passage in
overlapping windows (Devlin et al. 2019, section 4.2 and its code), so that every token of it is read."""

from __future__ import annotations

from dataclasses import dataclass

from sibao.core.errors import ContextOverflow
from sibao.text.tokenizer import Tokenizer

LEAST = 16
"""Tokens of the passage that must fit beside the question."""


@dataclass(frozen=True)
class Window:
    """One input of the model. ``types``: 1 in the passage's part. ``first``: place of the passage's first token in
    ``ids``; ``offsets``: characters [begin, end) of the whole passage for each of its tokens here."""

    ids: list[int]
    types: list[int]
    first: int
    offsets: list[tuple[int, int]]


def framed(tokenizer: Tokenizer, ids: list[int]) -> list[int]:
    """``[CLS] … [SEP]``, as far as the tokenizer has them."""
    head = [] if tokenizer.cls_id is None else [tokenizer.cls_id]
    return [*head, *ids, *([] if tokenizer.sep_id is None else [tokenizer.sep_id])]


def windows(tokenizer: Tokenizer, question: str, context: str, length: int) -> list[Window]:
    """The windows of a passage, each at most ``length`` tokens long; each begins with the last third of the one before.

    Raises:
        ContextOverflow: the question leaves no room for the passage.
    """
    (asked, _), (ids, offsets) = tokenizer.encode_offsets([question, context])
    head = framed(tokenizer, asked)
    tail = [] if tokenizer.sep_id is None else [tokenizer.sep_id]
    room = length - len(head) - len(tail)
    if room < min(LEAST, len(ids)):
        raise ContextOverflow(
            len(head) + LEAST + len(tail), length, what="question and passage", hint="ask a shorter question"
        )
    found, begin = [], 0
    while True:
        part = ids[begin : begin + room]
        types = [0] * len(head) + [1] * (len(part) + len(tail))
        found.append(Window([*head, *part, *tail], types, len(head), offsets[begin : begin + room]))
        if begin + room >= len(ids):
            return found
        begin += room - room // 3


def target_of(window: Window, start: int, end: int) -> tuple[int, int]:
    """Places of the first and last token of the passage's characters [start, end) in a window; ``(0, 0)``, the first
    token of all, where the window does not hold them whole."""
    inside = [i for i, (begin, stop) in enumerate(window.offsets) if begin < end and stop > start]
    if not inside or window.offsets[inside[0]][0] > start or window.offsets[inside[-1]][1] < end:
        return 0, 0
    return window.first + inside[0], window.first + inside[-1]
