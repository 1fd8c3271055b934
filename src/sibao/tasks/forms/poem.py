"""Poems: 五言 and 七言 verse, 词 by tune, English verse."""

from __future__ import annotations

from typing import ClassVar

from sibao.tasks.forms._ci import TUNES, check_tune
from sibao.tasks.forms._verse import check_english, check_regular
from sibao.tasks.forms.base import Form, FormReport, Prompts
from sibao.text.language import detect

REGULAR = {"五言": 5, "七言": 7}


class Poem(Form):
    """A poem about something. A style is 五言, 七言, 词, the name of a 词牌, or ``verse`` (English)."""

    name = "poem"
    styles = (*REGULAR, "词", "verse", *TUNES)
    aliases: ClassVar[dict[str, str]] = {"wuyan": "五言", "qiyan": "七言", "ci": "词", "english": "verse"}
    max_tokens = 160
    prompts: ClassVar[Prompts] = {
        "": {"zh": "写一首诗：{prompt}", "en": "Write a poem: {prompt}"},
        "五言": {"zh": "写一首五言诗：{prompt}", "en": "Write a Chinese poem, five characters a line: {prompt}"},
        "七言": {"zh": "写一首七言诗：{prompt}", "en": "Write a Chinese poem, seven characters a line: {prompt}"},
        "词": {"zh": "写一首词：{prompt}", "en": "Write a Chinese ci poem: {prompt}"},
        "tune": {"zh": "写一首《{style}》：{prompt}", "en": "Write a Chinese ci poem to the tune {style}: {prompt}"},
        "verse": {"zh": "写一首英文诗：{prompt}", "en": "Write a poem: {prompt}"},
    }

    def _kind(self, style: str) -> str:
        return "tune" if style in TUNES else style

    def check(self, text: str, style: str = "") -> FormReport:
        """Line lengths and rhyme of the style; without one, that of the language with the length taken from line 1."""
        style = self.style(style)
        if style in TUNES or style == "词":
            return check_tune(text, style if style in TUNES else "")
        if style == "verse" or (not style and detect(text) == "en"):
            return check_english(text)
        return check_regular(text, REGULAR.get(style, 0))


FORM = Poem()
