"""A story: sentences that end."""

from __future__ import annotations

from typing import ClassVar

from sibao.tasks.forms.base import Form, FormReport, Prompts, report
from sibao.text.split import CLOSERS, paragraphs, sentences

FULL_STOPS = "。！？…!?."


class Story(Form):
    """A story that goes on from its beginning. Checked: it holds sentences and the last one is finished."""

    name = "story"
    prompts: ClassVar[Prompts] = {
        "": {"zh": "写一个故事，开头是：\n{prompt}", "en": "Write a story that begins:\n{prompt}"}
    }

    def check(self, text: str, style: str = "") -> FormReport:
        self.style(style)
        text = text.strip()
        found = [s for s in sentences(text) if s.strip()]
        problems = [] if found else ["there is no text"]
        if found and not text.rstrip(CLOSERS).endswith(tuple(FULL_STOPS)):
            problems.append(f"the last sentence does not end: got {text[-12:]!r}, wanted a full stop")
        return report(problems, sentences=len(found), paragraphs=len(paragraphs(text)))


FORM = Story()
