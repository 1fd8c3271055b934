"""Chinese or English, told by the share of scripts. Two languages only; no model, no table.

A Han character carries about as much as a Latin word, so characters are weighed against words, not against letters:
"用 numpy 计算 mean" is Chinese, "He said 你好 and left" is English.
"""

from __future__ import annotations

import re

from sibao.core.types import Language

HAN = r"㐀-䶿一-鿿豈-﫿\U00020000-\U000323af"
_HAN = re.compile(f"[{HAN}]")
_WORD = re.compile(r"[A-Za-zÀ-ɏ]+(?:['’-][A-Za-z]+)*")
_FULL_WIDTH = re.compile(r"[　-〿！-～]")


def detect(text: str) -> Language:
    """``zh`` when Han characters are at least as many as Latin words, else ``en``.

    Text with neither (figures, signs) is ``zh`` only when it uses full-width punctuation.
    """
    han, words = len(_HAN.findall(text)), len(_WORD.findall(text))
    if han == words == 0:
        return "zh" if _FULL_WIDTH.search(text) else "en"
    return "zh" if han >= words else "en"


def other(language: Language) -> Language:
    """The other one of the two."""
    return "en" if language == "zh" else "zh"
