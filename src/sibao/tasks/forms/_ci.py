"""词 by tune (词牌): the lengths of the lines, as marked by punctuation. Rhyme and tone are not checked.

The patterns are the common ones of 《钦定词谱》 and 龙榆生《唐宋词格律》; the tests check each against a
well-known poem. A slash parts the stanzas; a tune may have several patterns.
"""

from __future__ import annotations

from sibao.tasks.forms._verse import lines_of
from sibao.tasks.forms.base import FormReport, report

_PATTERNS: dict[str, tuple[str, ...]] = {
    "如梦令": ("6656226",),
    "忆江南": ("35775",),
    "浣溪沙": ("777/777",),
    "菩萨蛮": ("7755/5555",),
    "卜算子": ("5575/5575", "5575/5576"),
    "清平乐": ("4576/6666",),
    "西江月": ("6676/6676",),
    "鹧鸪天": ("7777/33777",),
    "蝶恋花": ("74577/74577",),
    "水调歌头": ("556566555/3334766555", "554766555/3334766555", "556566555/3336566555", "554766555/3336566555"),
}
TUNES: dict[str, tuple[tuple[int, ...], ...]] = {
    name: tuple(tuple(int(n) for n in pattern.replace("/", "")) for pattern in patterns)
    for name, patterns in _PATTERNS.items()
}


def check_tune(text: str, tune: str = "") -> FormReport:
    """Line lengths of ``tune``; without one, which of the known tunes fits (a 词 to another tune is no fault)."""
    lengths = tuple(len(line) for line in lines_of(text))
    fits = [name for name, patterns in TUNES.items() if lengths in patterns]
    facts = {"lines": len(lengths), "lengths": list(lengths), "characters": sum(lengths)}
    if not tune:
        problems = [] if len(lengths) > 1 else [f"got {len(lengths)} lines, wanted a poem"]
        return report(problems, **facts, tune=fits[0] if fits else "", rhyme="not checked")
    problems = [] if tune in fits else [_difference(lengths, tune)]
    return report(problems, **facts, tune=tune, rhyme="not checked")


def _difference(lengths: tuple[int, ...], tune: str) -> str:
    """Where the nearest pattern is left first."""

    def agreed(pattern: tuple[int, ...]) -> int:
        same = [a == b for a, b in zip(lengths, pattern, strict=False)]
        return same.index(False) if False in same else len(same)

    nearest = max(TUNES[tune], key=agreed)
    place = agreed(nearest)
    if place < min(len(lengths), len(nearest)):
        return f"line {place + 1} has {lengths[place]} characters, {tune} asks for {nearest[place]}"
    return f"got {len(lengths)} lines, {tune} asks for {len(nearest)} ({'-'.join(map(str, nearest))})"
