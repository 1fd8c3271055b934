"""A scene: speakers and their lines."""

from __future__ import annotations

import re
from collections import Counter
from typing import ClassVar

from sibao.tasks.forms.base import Form, FormReport, Prompts, report

# "HAMLET:" alone, "Hamlet: text", "人物：台词"; a name is short and holds no sentence mark.
_SPEAKER = re.compile(
    r"^\s*(?P<name>[^\s:：,.!?，。！？()（）][^:：,!?，。！？()（）\n]{0,29})[:：][ \t　]*(?P<line>.*)$"
)
_DIRECTION = re.compile(r"^\s*[\[(（【].*[\])）】]\s*$")


class Script(Form):
    """Dialogue. Checked: every line belongs to a speaker, every speaker says something, and there are two of them."""

    name = "script"
    prompts: ClassVar[Prompts] = {"": {"zh": "写一段对话，人物：{prompt}", "en": "Write a scene for {prompt}"}}

    def check(self, text: str, style: str = "") -> FormReport:
        self.style(style)
        turns, stray = parse(text)
        problems = [f"line {number} has no speaker: {line!r}" for number, line in stray]
        problems += [f"{name} has an empty line" for name, said in turns if not said]
        speakers = Counter(name for name, _ in turns)
        if len(speakers) < 2:
            problems.append(f"got {len(speakers)} speakers, wanted at least 2 ('NAME: words' or '人物：台词')")
        lines = sum(len(said) for _, said in turns)
        return report(problems, speakers=dict(speakers), turns=len(turns), lines=lines)


def parse(text: str) -> tuple[list[tuple[str, list[str]]], list[tuple[int, str]]]:
    """Turns as (speaker, lines said), and the numbered lines before the first speaker that are no stage direction.

    A line without a speaker goes on with the turn before it.
    """
    turns: list[tuple[str, list[str]]] = []
    stray: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or _DIRECTION.match(line):
            continue
        found = _SPEAKER.match(line)
        if found:
            said = found["line"].strip()
            turns.append((found["name"].strip(), [said] if said else []))
        elif turns:
            turns[-1][1].append(line.strip())
        else:
            stray.append((number, line.strip()))
    return turns, stray


FORM = Script()
