"""Lines and rhyme of regular Chinese verse and of English verse."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence

from sibao.tasks.forms.base import FormReport, report
from sibao.text.language import HAN

_BREAK = re.compile(r"[，。！？；：、,.!?;:\n]+")
_NOT_HAN = re.compile(f"[^{HAN}]")
NO_PINYIN = "not checked: pip install pypinyin"
LONG_POEM = 8
"""Beyond this many lines a poem may change its rhyme; then rhyme is reported, not asked for."""

# The fourteen rhymes of 中华新韵 (2005) by pinyin final, in pypinyin's spelling (v for ü).
RHYMES: dict[str, str] = {
    final: rhyme
    for rhyme, finals in {
        "麻": "a ia ua", "波": "o e uo", "皆": "ie ve ue", "开": "ai uai", "微": "ei uei ui", "豪": "ao iao",
        "尤": "ou iou iu", "寒": "an ian uan van", "文": "en in uen un vn", "唐": "ang iang uang",
        "庚": "eng ing ueng ong iong", "齐": "i er v", "支": "-i", "姑": "u",
    }.items()
    for final in finals.split()
}  # fmt: skip
_INITIAL = re.compile(r"zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw]?")
_WHISTLED = ("zh", "ch", "sh", "r", "z", "c", "s")
_FRONTED = ("j", "q", "x", "y")


def lines_of(text: str) -> list[str]:
    """Lines of Chinese verse: what stands between punctuation marks, Han characters only."""
    return [han for part in _BREAK.split(text) if (han := _NOT_HAN.sub("", part))]


def check_regular(text: str, width: int = 0) -> FormReport:
    """五言 (``width`` 5) or 七言 (7): equal lines, an even number of them, even lines that rhyme in modern Mandarin.

    Without a width it is that of the first line; if that is neither 5 nor 7 the poem is free verse and only counted.
    """
    lines = lines_of(text)
    width = width or (len(lines[0]) if lines and len(lines[0]) in (5, 7) else 0)
    if not width or not lines:
        return report([] if len(lines) > 1 else [f"got {len(lines)} lines, wanted a poem"], lines=len(lines))
    problems = [
        f"line {number} has {len(line)} characters, wanted {width}: {line}"
        for number, line in enumerate(lines, 1)
        if len(line) != width
    ]
    if len(lines) % 2:
        problems.append(f"got {len(lines)} lines, wanted an even number")
    rhyme, fault = _rhyme([line[-1] for line in lines[1::2]])
    if fault and len(lines) <= LONG_POEM:
        problems.append(fault)
    return report(problems, lines=len(lines), width=width, rhyme=rhyme)


def _rhyme(ends: Sequence[str]) -> tuple[str, str]:
    """The rhyme shared by all the characters, and the fault where there is none. Any reading of a character counts."""
    if len(ends) < 2:
        return "", ""
    if importlib.util.find_spec("pypinyin") is None:
        return NO_PINYIN, ""
    readings = [_rhymes_of(end) for end in ends]
    shared = set.intersection(*readings)
    if shared:
        return sorted(shared)[0], ""
    shown = "、".join(f"{end}({'/'.join(sorted(found)) or '?'})" for end, found in zip(ends, readings, strict=True))
    return "none", f"even lines do not rhyme in modern Mandarin: {shown}"


def _rhymes_of(character: str) -> set[str]:
    """Rhyme groups of a character, one for each reading. zhi, chi, shi, ri, zi, ci, si have a group of their own."""
    from pypinyin import Style, pinyin  # heavy tables, and an optional package

    finals = [_final(syllable) for syllable in pinyin(character, style=Style.NORMAL, heteronym=True)[0]]
    return {RHYMES[final] for final in finals if final in RHYMES}


def _final(syllable: str) -> str:
    """The final of a syllable without its tone: y and w only spell i, u and ü; u is ü after j, q, x, y."""
    syllable = syllable.replace("ü", "v")
    initial = _INITIAL.match(syllable)
    onset = initial[0] if initial else ""
    final = syllable[len(onset) :]
    if onset in _WHISTLED and final == "i":
        return "-i"
    if onset == "y" and final == "e":
        return "ie"
    return "v" + final[1:] if onset in _FRONTED and final.startswith("u") else final


def check_english(text: str) -> FormReport:
    """Two lines or more; from four lines on, some line must rhyme with one of the three before it.

    Rhyme is judged by spelling alone (see ``rhyme_key``): it misses pairs that sound alike but are spelled apart and
    takes eye rhymes for true ones, so it is a fact about spelling, and blank verse is reported as unrhymed.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    keys = [rhyme_key(line) for line in lines]
    rhymed = sum(bool(key) and key in keys[max(0, i - 3) : i] for i, key in enumerate(keys))
    problems = [] if len(lines) > 1 else [f"got {len(lines)} lines, wanted a poem of at least 2"]
    if len(lines) >= 4 and not rhymed:
        problems.append("no two neighbouring line ends rhyme (judged by spelling)")
    stanzas = len([part for part in re.split(r"\n\s*\n", text.strip()) if part.strip()])
    return report(problems, lines=len(lines), stanzas=stanzas, rhymed_lines=rhymed)


# Spellings of one sound at the end of a word, most particular first.
_SPELLINGS = [
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"eigh(?=t?s?$)", "a-"), (r"igh(?=t?s?$)", "I"), (r"([aeiou])([^aeiouwxy])e(s?)$", r"\1-\2\3"),
        (r"[ae]y$", "a-"), (r"a[iy](?=[^aeiouy]+$)", "a-"),
        (r"e[ae](?=[^aeiouy]*$)", "e-"), (r"o[ae](?=[^aeiouy]*$)", "o-"),
        (r"(?<=[^o])ow$|(?<=[^aeiou])o$", "o-"), (r"(?<=[^aeiou])(?:y|ie)$", "I"), (r"^i$", "I"),
        (r"^([^aeiouy]+)e$", r"\1e-"),
    )
]  # fmt: skip


def rhyme_key(line: str) -> str:
    """The end of the last word from its last vowel on, with common spellings of a sound made alike (night, white)."""
    words = re.findall(r"[a-z']+", line.lower())
    if not words:
        return ""
    word = words[-1].replace("'", "")
    for pattern, sound in _SPELLINGS:
        word, hits = pattern.subn(sound, word, count=1)
        if hits:
            break
    word = word.replace("i-", "I")
    found = re.search(r"(?:[aeiou]-|I|[aeiouy]+)[^aeiouyI-]*$", word)
    return found[0] if found else word
