"""From a stream of token ids to a stream of text that never shows half a character.

A token may end in the middle of a character (a Chinese character is three bytes, an emoji four and often several code
points), and a stop string may begin in one token and end in another. ``StreamDecoder`` holds such pieces back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

BROKEN = "\ufffd"
JOINER = "\u200d"
LONGEST_EMOJI = 32
WINDOW = 32
"""At most this many tokens are decoded again when one arrives, whatever the length of the text."""


class Decodes(Protocol):
    """The one ability that is asked of a tokenizer."""

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str: ...


def find_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the text is to be cut: the start of the stop string that is complete first (of equals the longest).

    The one that is *complete* first is where a model that is read character by character would be stopped, so the
    answer does not depend on how the text is divided into tokens.
    """
    found = [(at + len(s), at) for s in stop if (at := text.find(s)) >= 0]
    return min(found)[1] if found else None


class StreamDecoder:
    """Turns token ids into text piece by piece. ``"".join`` of all pieces is the whole text, cut at the first stop.

    Whole text means ``tokenizer.decode`` of all ids at once. For each token only a short window of the last tokens is
    decoded, from the last clean border but one, so that a tokenizer that drops a leading space drops none here.

    Args:
        tokenizer: anything with ``decode``; byte-level BPE and SentencePiece with byte fallback both work.
        stop: strings that end the text; they are not part of it. Empty strings are ignored.
    """

    def __init__(self, tokenizer: Decodes, stop: Sequence[str] = ()) -> None:
        self.stopped = False
        """True once a stop string was found; nothing more is given out."""
        self.characters = 0
        """Whole characters so far, those that are held back too."""
        self.tokenizer = tokenizer
        self._stop = tuple(s for s in stop if s)
        self._window: list[int] = []
        self._border = 0  # tokens of the window up to the last clean border
        self._known = 0  # characters of the window's text that were taken over
        self._held = ""  # taken over, but not given out yet

    def anew(self) -> StreamDecoder:
        """One for another text: the same tokenizer and stop strings."""
        return StreamDecoder(self.tokenizer, self._stop)

    def push(self, token_ids: Sequence[int]) -> str:
        """Text that is certain now; empty while a character or a possible stop string is incomplete."""
        if self.stopped or not token_ids:
            return ""
        # One by one: where every character is complete somewhere, a clean border is found there.
        new = "".join([self._take(token) for token in token_ids])
        self.characters += len(new)
        return self._release(new, last=False)

    def flush(self) -> str:
        """All that is still held back. Bytes that never became a character appear as U+FFFD. Ends the stream."""
        if self.stopped:
            return ""
        rest = self.tokenizer.decode(self._window)[self._known :]
        self._window, self._border, self._known = [], 0, 0
        return self._release(rest, last=True)

    def _take(self, token: int) -> str:
        """Decode the window with one more token and return its new whole characters."""
        self._window.append(token)
        text = self.tokenizer.decode(self._window)
        # The decoder writes U+FFFD for bytes that are not a character yet.
        whole = len(text.rstrip(BROKEN))
        new = text[self._known : whole]
        self._known = max(self._known, whole)
        if whole == len(text) and new:
            self._move_to_border()
        elif len(self._window) > WINDOW:
            self._shorten(len(text) - self._known)
        return new

    def _move_to_border(self) -> None:
        """A clean border: keep only the tokens since the one before it, as context for the next."""
        self._window = self._window[self._border :]
        self._border = len(self._window)
        self._known = len(self.tokenizer.decode(self._window))

    def _shorten(self, unknown: int) -> None:
        """No clean border for long (every token ends inside a character): keep half, with the unknown end the same."""
        self._window = self._window[-WINDOW // 2 :]
        self._border = 0
        self._known = max(0, len(self.tokenizer.decode(self._window)) - unknown)

    def _release(self, new: str, last: bool) -> str:
        text = self._held + new
        cut = find_stop(text, self._stop)
        if cut is not None:
            self.stopped, self._held = True, ""
            return text[:cut]
        safe = len(text) if last else min(_stop_border(text, self._stop), _emoji_border(text))
        self._held = text[safe:]
        return text[:safe]


def _stop_border(text: str, stop: Sequence[str]) -> int:
    """Start of the longest end of ``text`` that is the beginning of a stop string."""
    longest = max((len(s) for s in stop), default=1) - 1
    for at in range(max(0, len(text) - longest), len(text)):
        if any(s.startswith(text[at:]) for s in stop):
            return at
    return len(text)


def _emoji_border(text: str) -> int:
    """Start of a last emoji that the next token may still extend (joiner, skin colour, flag, keycap)."""
    at = len(text)
    while at > len(text) - LONGEST_EMOJI:
        at = _before_base(text, at)
        if not at or text[at - 1] != JOINER:
            break
    return at


def _before_base(text: str, end: int) -> int:
    """Step back over one emoji and what extends it; ``end`` itself where the text does not end in one."""
    at = end
    while at and _extends(text[at - 1]):
        at -= 1
    if not at or (at == end and not _is_emoji(text[at - 1])):
        return at
    at -= 1
    if at and _is_flag_letter(text[at]) and _is_flag_letter(text[at - 1]):
        at -= 1
    return at


def _extends(char: str) -> bool:
    is_skin, is_tag = "\U0001f3fb" <= char <= "\U0001f3ff", "\U000e0020" <= char <= "\U000e007f"
    return char in JOINER + "\ufe0f\u20e3" or is_skin or is_tag


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_emoji(char: str) -> bool:
    return "\U0001f000" <= char < "\U00020000" or "\u2600" <= char <= "\u27bf"
