"""The part of a development file that the embedded model has never seen.

Where only a development file could be had, ``mini`` was trained on four fifths of it. ``part`` says which, by the same fixed
hash as the data recipe (``recipes/mini/common.py``): 80 % train, 10 % valid, 10 % test, by article or document, so that no
document stands in two parts. Suites over such files score the test part unless their variant ``all`` is asked for.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Literal

from sibao.core.types import Row

Part = Literal["train", "valid", "test"]
SPLIT = "own test part, 10 % of {}"
"""The split's name in a signature."""
# What the recipe removes before it names a document: controls, byte-order marks, zero-width spaces, soft hyphens.
_JUNK = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\ufeff\ufffe\uffff]")


def clean(text: str) -> str:
    """The text as the recipe has it."""
    return _JUNK.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")))


def part(key: str) -> Part:
    """The part of a document, by its name: the first 32 bits of the name's SHA-256 as a number in [0, 1)."""
    place = int(hashlib.sha256(unicodedata.normalize("NFC", key).encode()).hexdigest()[:8], 16) / 2**32
    return "train" if place < 0.8 else "valid" if place < 0.9 else "test"


def own_test(rows: Iterable[Row], key: Callable[[Row], str]) -> list[Row]:
    """The rows whose document is in the test part."""
    return [row for row in rows if part(key(row)) == "test"]
