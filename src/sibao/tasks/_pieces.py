"""Cutting a document into pieces that fit, on the best border there is: sentence, then clause, then character."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from sibao.text.split import clauses, sentences

Fits = Callable[[str], bool]
JOINERS = "\u200d\ufe0e\ufe0f"
"""Zero-width joiner and variation selectors: no cut before or behind them."""


class DoesNotFitError(Exception):
    """Not even one character fits; the caller knows the numbers."""


@dataclass
class Pieces:
    """``texts`` put together are the document, to the character. ``notes`` say where a sentence had to be cut."""

    texts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def units(text: str, fits: Fits) -> Pieces:
    """Sentences; one that does not fit is cut at clauses, and a clause that does not fit at characters.

    Raises:
        DoesNotFitError: not one character fits.
    """
    found = Pieces()
    for sentence in sentences(text):
        if fits(sentence):
            found.texts.append(sentence)
            continue
        parts = list(_shrink(sentence, fits))
        found.texts += parts
        found.notes.append(_note(sentence, parts))
    return found


def pieces(text: str, fits: Fits) -> Pieces:
    """As many whole sentences in each piece as fit.

    Raises:
        DoesNotFitError: not one character fits.
    """
    found = units(text, fits)
    return Pieces(list(pack(found.texts, fits)), found.notes)


def pack(parts: Iterable[str], fits: Fits) -> Iterator[str]:
    """Join neighbours while the whole still fits. Each part must fit on its own."""
    held = ""
    for part in parts:
        if held and not fits(held + part):
            yield held
            held = ""
        held += part
    if held:
        yield held


def _shrink(sentence: str, fits: Fits) -> Iterator[str]:
    whole: list[str] = []
    for clause in clauses(sentence):
        whole += [clause] if fits(clause) else _characters(clause, fits)
    return pack(whole, fits)


def _characters(text: str, fits: Fits) -> Iterator[str]:
    """The longest head that fits, again and again (by bisection: a longer text needs more tokens)."""
    while text:
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(text[:middle]) else (low, middle - 1)
        if low == 0:
            raise DoesNotFitError
        cut = _between_characters(text, low)
        yield text[:cut]
        text = text[cut:]


def _between_characters(text: str, cut: int) -> int:
    """The last place up to ``cut`` where no combining sequence is torn; ``cut`` itself if there is none."""
    place = cut
    while 0 < place < len(text) and (
        unicodedata.combining(text[place]) or text[place] in JOINERS or text[place - 1] in JOINERS
    ):
        place -= 1
    return place or cut


def _note(sentence: str, parts: list[str]) -> str:
    borders = {0}
    for clause in clauses(sentence):
        borders.add(max(borders) + len(clause))
    cuts, end = set(), 0
    for part in parts:
        end += len(part)
        cuts.add(end)
    where = "clauses" if cuts <= borders else "characters"
    return f"a sentence of {len(sentence)} characters does not fit and was cut at {where} into {len(parts)} parts"
