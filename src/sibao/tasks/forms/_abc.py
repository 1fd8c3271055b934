"""Reading a tune in ABC notation into bars with their lengths.

What is read: header and body fields, notes, rests, chords, grace notes, tuplets, broken rhythm, bar lines, repeats,
endings, decorations, inline fields (ABC standard 2.1, sections 3 and 4). Lengths are fractions of a whole note. Voice
overlay (``&``) is not read and is reported; words (``w:``) are skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

_LENGTH = r"\d*(?:/\d*)*"
_TOKEN = re.compile(
    r"""
      (?P<skip>\s+|"[^"\n]*"|![^!\n]*!|\+[a-z]+\+|\{[^}\n]*\}|[.~HLMOPSTuvJR](?=[^:])|[-\\)`y])
    | \[(?P<field>[A-Za-z]):(?P<value>[^\]\n]*)\]
    | (?P<bar>:*\[?\|[\]|]*:*|::+|\](?=\s*$))\s*(?P<after>\[?[1-9][\d,.\-]*)?
    | (?P<ending>\[[1-9][\d,.\-]*)
    | \((?P<p>[2-9])(?::(?P<q>\d?))?(?::(?P<r>\d?))?
    | (?P<slur>\()
    | \[(?P<chord>[^\]|\n]+)\](?P<chord_length>""" + _LENGTH + r""")
    | (?P<broken>>+|<+)
    | Z(?P<rest_bars>\d*)
    | (?P<note>[_^=]{0,2}[A-Ga-g][,']*|[zx])(?P<length>""" + _LENGTH + r""")
    """,
    re.VERBOSE,
)  # fmt: skip
_NOTE = re.compile(rf"[_^=]{{0,2}}[A-Ga-gzx][,']*(?P<length>{_LENGTH})")
_FIELD_LINE = re.compile(r"^([A-Za-z]):(?![|:])(.*)$")
_METER = re.compile(r"^\(?(\d+(?:\+\d+)*)\)?\s*/\s*(\d+)$")
_UNIT = re.compile(r"^(\d+)\s*/\s*(\d+)$")
_TUPLET = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}


@dataclass
class Bar:
    """One bar: where it stands, its length and the meter's (None when free), and the bar lines around it."""

    number: int
    line: int
    length: Fraction
    meter: Fraction | None
    left: str
    right: str


@dataclass
class Tune:
    """A tune as read. ``faults`` are the places that could not be."""

    headers: dict[str, str] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)
    notes: int = 0
    faults: list[str] = field(default_factory=list)


def read_tune(text: str) -> Tune:
    """Read one tune; never raises, what is not understood lands in ``faults``."""
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), 1):
        reader.line(number, re.split(r"(?<!\\)%", line)[0].rstrip())
    reader.close_bar("")
    return reader.tune


class _Reader:
    """The state while reading: the meter, the unit, and the bar being filled."""

    def __init__(self) -> None:
        self.tune = Tune()
        self.in_body = False
        self.number = 0
        self.meter: Fraction | None = None
        self.compound = False
        self.unit: Fraction | None = None
        self.left = ""
        self._start_bar()

    def _start_bar(self) -> None:
        self.length, self.events, self.bar_line = Fraction(0), 0, self.number
        self.last = Fraction(0)  # length of the last note, for broken rhythm
        self.owed: Fraction | None = None  # factor that broken rhythm puts on the next note
        self.tuplet, self.tuplet_left = Fraction(1), 0

    def line(self, number: int, line: str) -> None:
        self.number = number
        found = _FIELD_LINE.match(line)
        if found:
            self._field(found[1], found[2].strip())
        elif line.strip() and not self.in_body:
            self.tune.faults.append(f"line {number}: music before the K: field: {line.strip()[:20]!r}")
        elif line.strip():
            self._music(line)

    def _music(self, line: str) -> None:
        place = 0
        while place < len(line):
            found = _TOKEN.match(line, place)
            if found is None:
                self.tune.faults.append(f"line {self.number}: not understood: {line[place : place + 8]!r}")
                place += 1
                continue
            place = found.end()
            self._token(found)

    def _token(self, found: re.Match[str]) -> None:
        if found["bar"]:
            self.close_bar(found["bar"] + (found["after"] or ""))
        elif found["ending"]:
            self.close_bar(found["ending"])  # an ending without a bar line ends the bar begun so far
        elif found["field"]:
            self._field(found["field"], found["value"].strip())
        elif found["p"]:
            self._open_tuplet(int(found["p"]), int(found["q"] or 0), int(found["r"] or 0))
        elif found["broken"]:
            self._broken(found["broken"])
        elif found["note"]:
            self._sound(self._length(found["length"]), rest=found["note"] in "zx")
        elif found["chord"]:
            self._chord(found["chord"], found["chord_length"])
        elif found["rest_bars"] is not None:
            self._rest_bars(int(found["rest_bars"] or 1))

    def _field(self, name: str, value: str) -> None:
        if not self.in_body and name not in self.tune.headers:
            self.tune.headers[name] = value
        if name == "K":
            self.in_body = True
        elif name == "M":
            self._set_meter(value)
        elif name == "L":
            self._set_unit(value)
        elif name == "P" and self.in_body:
            self._part()
        elif name == "X" and self.in_body:
            self.tune.faults.append(f"line {self.number}: a second tune begins (X:{value}), wanted one")

    def _part(self) -> None:
        """A part label bounds the bars on both sides, as a double bar does."""
        self.left += "P"
        if self.tune.bars and not self.events:
            self.tune.bars[-1].right += "P"

    def _set_meter(self, value: str) -> None:
        value = {"C": "4/4", "C|": "2/2"}.get(value, value)
        found = _METER.match(value)
        top = sum(map(int, found[1].split("+"))) if found else 0
        if found and top and int(found[2]):
            self.meter, self.compound = Fraction(top, int(found[2])), top in (6, 9, 12)
            return
        self.meter = None
        if value not in ("", "none"):
            self.tune.faults.append(f"line {self.number}: meter {value!r} is not one, wanted for example 4/4")

    def _set_unit(self, value: str) -> None:
        found = _UNIT.match(value)
        if found and int(found[1]) and int(found[2]):
            self.unit = Fraction(int(found[1]), int(found[2]))
        else:
            self.tune.faults.append(f"line {self.number}: unit length {value!r} is not one, wanted for example 1/8")

    def _unit(self) -> Fraction:
        """L:, or the standard's default: 1/16 where the meter is under 3/4, else 1/8 (section 3.1.7)."""
        if self.unit is not None:
            return self.unit
        return Fraction(1, 16) if self.meter is not None and self.meter < Fraction(3, 4) else Fraction(1, 8)

    def _length(self, text: str) -> Fraction:
        """``3/2``, ``/4``, ``//``, ``2`` as a fraction of the unit."""
        top, *divisors = text.split("/")
        length = Fraction(int(top or 1))
        for divisor in divisors:
            if divisor and not int(divisor):
                self.tune.faults.append(f"line {self.number}: length {text!r} divides by zero")
                return length
            length /= int(divisor or 2)
        return length

    def _open_tuplet(self, p: int, q: int, r: int) -> None:
        q = q or _TUPLET.get(p, 3 if self.compound else 2)
        self.tuplet, self.tuplet_left = Fraction(q, p), r or p

    def _sound(self, length: Fraction, *, rest: bool = False) -> None:
        length *= self._unit()
        if self.tuplet_left:
            length *= self.tuplet
            self.tuplet_left -= 1
        if self.owed is not None:
            length, self.owed = length * self.owed, None
        self.length += length
        self.last, self.events = length, self.events + 1
        self.tune.notes += not rest

    def _chord(self, inside: str, length: str) -> None:
        """A chord lasts as long as its first note (section 4.17)."""
        notes = [_NOTE.match(part) for part in re.findall(rf"[_^=]{{0,2}}[A-Ga-gzx][,']*{_LENGTH}", inside)]
        if not notes or notes[0] is None:
            self.tune.faults.append(f"line {self.number}: no note in the chord [{inside}]")
            return
        self._sound(self._length(notes[0]["length"]) * self._length(length))

    def _broken(self, marks: str) -> None:
        """``a>b`` is a dotted a and a halved b; each further mark halves again (section 4.4)."""
        if not self.events or self.owed is not None:
            self.tune.faults.append(f"line {self.number}: {marks!r} without a note before it")
            return
        short = Fraction(1, 2 ** min(len(marks), 4))
        now, self.owed = (2 - short, short) if marks[0] == ">" else (short, 2 - short)
        self.length += self.last * (now - 1)

    def _rest_bars(self, count: int) -> None:
        """``Z4`` is four bars of rest: it fills its bar whatever the count."""
        if self.meter is not None and count:
            self.length, self.events = self.meter, self.events + 1

    def close_bar(self, mark: str) -> None:
        """End the bar at a bar line; without music between two bar lines they count as one."""
        if self.owed is not None:
            self.tune.faults.append(f"line {self.number}: broken rhythm without a note after it")
        if not self.events:
            self.left += mark
        else:
            bar = Bar(len(self.tune.bars) + 1, self.bar_line, self.length, self.meter, self.left, mark)
            self.tune.bars.append(bar)
            self.left = mark
        self._start_bar()
