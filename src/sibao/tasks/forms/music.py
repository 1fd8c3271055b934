"""Tunes in ABC notation: the header is there and every bar adds up to the meter."""

from __future__ import annotations

from typing import ClassVar

from sibao.tasks.forms._abc import Bar, Tune, read_tune
from sibao.tasks.forms.base import Form, FormReport, Prompts, report

REQUIRED = {"X": "number", "T": "title", "M": "meter", "K": "key"}


class Music(Form):
    """A tune of one voice in ABC notation (standard 2.1, abcnotation.com/wiki/abc:standard:v2.1)."""

    name = "music"
    styles = ("jig", "reel", "hornpipe", "waltz", "polka", "march", "air")
    max_tokens = 400
    prompts: ClassVar[Prompts] = {
        "": {"zh": "用 ABC 记谱法写一段曲子：\n{prompt}", "en": "Write a tune in ABC notation:\n{prompt}"},
        "style": {"zh": "用 ABC 记谱法写一段 {style}：\n{prompt}", "en": "Write a {style} in ABC notation:\n{prompt}"},
    }

    def _kind(self, style: str) -> str:
        return "style" if style else ""

    def check(self, text: str, style: str = "") -> FormReport:
        """Fields X, T, M and K (L has a default), music that can be read, and bars of the meter's length.

        A bar may be short, never long, where it is the first or the last or stands beside a repeat, a double bar or an
        ending: a pickup and its complement.
        """
        self.style(style)
        tune = read_tune(text)
        problems = [f"no {name}: field ({what})" for name, what in REQUIRED.items() if not tune.headers.get(name)]
        problems += tune.faults
        if not tune.notes:
            problems.append("there is no note")
        wrong = [bar for bar in tune.bars if not _adds_up(bar, tune)]
        problems += [
            f"bar {bar.number} (line {bar.line}) lasts {bar.length}, the meter asks for {bar.meter}" for bar in wrong
        ]
        facts = {name: tune.headers.get(key, "") for name, key in {"meter": "M", "unit": "L", "key": "K"}.items()}
        return report(problems, **facts, bars=len(tune.bars), wrong_bars=len(wrong), notes=tune.notes)


def _adds_up(bar: Bar, tune: Tune) -> bool:
    if bar.meter is None or bar.length == bar.meter:
        return True
    edge = bar.number in (1, len(tune.bars)) or bar.left != "|" or bar.right != "|"
    return edge and bar.length < bar.meter


FORM = Music()
