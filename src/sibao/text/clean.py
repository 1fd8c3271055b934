"""Unicode normalization, cleaning, and rules that tell prose from debris.

    cleaned, reason = examine(text)        # reason is "" when the text is kept
    cleaned = clean(text)                  # None when it is dropped

NFC is the default form, NFKC is not: NFKC also turns "，" into ",", "①" into "1", "㎏" into "kg" and "x²" into "x2".
That takes Chinese its punctuation and formulas their meaning, and nothing can bring them back. Full-width *letters and
figures* ("ＡＢＣ１２３", common in Chinese text) can be folded alone with ``half_width``.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sibao.core.errors import BadInput

Form = Literal["NFC", "NFKC", "NFD", "NFKD"]
FORMS = ("NFC", "NFKC", "NFD", "NFKD")


@dataclass(frozen=True)
class CleanOptions:
    """What is repaired, and when a document is dropped. Shares are of 1; a limit of 1 (or 0 characters) is off.

    The limits on repeated lines, bullets and ellipses are those of Gopher (Rae et al. 2021, arXiv:2112.11446, appendix
    A.1.1 and table A1). Its limits on words (50 to 100,000, mean length 3 to 10, stop words) are left out: they do not
    fit Chinese, verse or code. Repetition is only judged from ``repetition_lines`` lines on, and lines of fewer than
    four characters (braces, bar lines) do not count.
    """

    form: Form = "NFC"
    half_width: bool = False
    unescape_html: bool = False
    blank_lines: int = 2
    min_characters: int = 1
    max_damaged: float = 0.01
    min_letters: float = 0.25
    max_repeated_lines: float = 0.30
    max_repeated_characters: float = 0.20
    max_bullets: float = 0.90
    max_ellipses: float = 0.30
    repetition_lines: int = 6

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise BadInput(f"form is {self.form!r}, wanted one of {', '.join(FORMS)}")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"{name} is {getattr(self, name)}, wanted a share from 0 to 1")
        for name in ("blank_lines", "min_characters", "repetition_lines"):
            if getattr(self, name) < 0:
                raise BadInput(f"{name} is {getattr(self, name)}, wanted 0 or more")


_SHARES = ("max_damaged", "min_letters", "max_repeated_lines", "max_repeated_characters", "max_bullets", "max_ellipses")
DEFAULT = CleanOptions()

# C0 and C1 controls but tab and newline; lone surrogates and noncharacters, which no file may hold.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# Zero-width space, word joiner, byte order mark, soft hyphen, direction marks. ZWJ and ZWNJ (U+200C, U+200D) are not
# here: they join emoji (👨‍👩‍👧) and spell Persian and Indic words.
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad\u200e\u200f\u202a-\u202e\u2061-\u2064\u2066-\u2069]")
_TRAILING = re.compile(r"[ \t\u00a0\u3000]+$", re.MULTILINE)
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if chr(code - 0xFEE0).isalnum()}
# U+FFFD is what a decoder leaves of a byte it cannot read. 锟斤拷 is U+FFFD in UTF-8 read as GBK, 烫烫烫 and 屯屯屯 are
# unset memory (0xCC, 0xCD) read as GBK; Ã and â€ before a Latin-1 sign are UTF-8 read as Latin-1 or cp1252.
_DAMAGED = re.compile("\ufffd|锟斤拷|锟斤|斤拷|烫烫烫+|屯屯屯+|â€[\u0080-\u00bf™œ˜]|[ÃÂ][\u0080-\u00bf]")


def normalize(text: str, form: Form = "NFC") -> str:
    """Unicode normalization (UAX #15); see the head of this file for why NFC."""
    return unicodedata.normalize(form, text)


def clean(text: str, options: CleanOptions = DEFAULT) -> str | None:
    """The repaired text, or None when a rule drops it."""
    repaired, reason = examine(text, options)
    return None if reason else repaired


def examine(text: str, options: CleanOptions = DEFAULT) -> tuple[str, str]:
    """The repaired text and the reason to drop it ("" to keep it): a key of ``REASONS``."""
    repaired = repair(text, options)
    return repaired, next((name for name, rule in REASONS.items() if rule(repaired, options)), "")


def repair(text: str, options: CleanOptions = DEFAULT) -> str:
    """Line ends, entities, invisible and control characters, widths, form, trailing spaces, blank lines. Idempotent
    but for ``unescape_html`` (``&amp;lt;`` has two layers)."""
    if options.unescape_html:
        text = html.unescape(text)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n")
    text = _CONTROL.sub("", _INVISIBLE.sub("", text))
    if options.half_width:
        text = text.translate(_FULL_WIDTH)
    text = _TRAILING.sub("", normalize(text, options.form))
    limit = options.blank_lines + 1
    return re.sub(rf"\n{{{limit + 1},}}", "\n" * limit, text).strip("\n")


def _damaged(text: str, options: CleanOptions) -> bool:
    return sum(len(found) for found in _DAMAGED.findall(text)) > options.max_damaged * len(text)


def _letters(text: str, options: CleanOptions) -> bool:
    """Letters of any script (Han included), of what is not white space."""
    signs = len("".join(text.split()))
    return sum(map(str.isalpha, text)) < options.min_letters * signs


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.split("\n")) if line]


def _repeated_lines(text: str, options: CleanOptions) -> bool:
    lines, extra = _repeats(text)
    return len(lines) >= options.repetition_lines and sum(extra.values()) > options.max_repeated_lines * len(lines)


def _repeated_characters(text: str, options: CleanOptions) -> bool:
    lines, extra = _repeats(text)
    repeated = sum(len(line) * times for line, times in extra.items())
    return len(lines) >= options.repetition_lines and repeated > options.max_repeated_characters * sum(map(len, lines))


def _repeats(text: str) -> tuple[list[str], Counter[str]]:
    """Lines of four characters or more, and how often each comes again."""
    lines = [line for line in _lines(text) if len(line) > 3]
    return lines, Counter({line: times - 1 for line, times in Counter(lines).items() if times > 1})


def _share_of_lines(text: str, test: Callable[[str], bool]) -> float:
    lines = _lines(text)
    return sum(map(test, lines)) / len(lines) if lines else 0.0


def _bullets(text: str, options: CleanOptions) -> bool:
    many = len(_lines(text)) >= options.repetition_lines
    return many and _share_of_lines(text, lambda line: line[0] in "•‣●○■□▪◦·*-–—・") > options.max_bullets


def _ellipses(text: str, options: CleanOptions) -> bool:
    many = len(_lines(text)) >= options.repetition_lines
    return many and _share_of_lines(text, lambda line: line.endswith(("...", "…"))) > options.max_ellipses


REASONS: dict[str, Callable[[str, CleanOptions], bool]] = {
    "too short": lambda text, options: len(text.strip()) < options.min_characters,
    "damaged characters": _damaged,
    "too few letters": _letters,
    "repeated lines": _repeated_lines,
    "characters in repeated lines": _repeated_characters,
    "mostly bullets": _bullets,
    "cut lines": _ellipses,
}
"""Why a document is dropped; the first that applies is counted."""
