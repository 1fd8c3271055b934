"""Reading ABC: real tunes pass, planted faults are found, and lengths are exact.

The tunes are traditional, as transcribed in the Nottingham Music Database (E. Foxley).
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.tasks.forms._abc import read_tune
from sibao.tasks.forms.music import FORM

WALTZ = """X: 1
T:A and A's Waltz
S:Mick Peat
M:3/4
L:1/4
K:G
e|"G"d2B|"D"A3/2B/2c|"G"B2G|"D"A2e|"G"d2B|"D"A3/2B/2c|[M:2/4]"F"B=F|[M:3/4]"G"G2e:|
"C"g2e|"Bb"=f2d|"F"c2A|=F2e|"C"g2e|"Bb"=f2d|[M:2/4]"F"cA|[M:3/4] [1 "G"G2e:| [2"G"G2z||
"""
BARRY = r"""X: 2
T:Barry's Favourite
% Nottingham Music Database
M:2/2
K:D
A2|:"D"a3/2b/2a3/2g/2 f2(3def|"Em"g3/2a/2g3/2f/2 "A"e2A2|"D"f3/2g/2f3/2e/2 d2f2\
|"Em"B3/2c/2d3/2e/2 "A"c2A2|
"G"b3/2a/2(3gab "D"a3/2g/2(3fga|"E"f3/2e/2(3def "A"e2A2|
"G"b3/2a/2g3/2f/2 "A"a3/2g/2f3/2e/2|1"D"d2f2 d2A2:|[2 d2f2d2|
"""
BOBBIN = r"""X: 5
T:Bobbin Mill Reel
M:4/4
L:1/4
K:D
A/2|:"D"d/2c/2d/2e/2 fA|"G"Be "A"cA|"D"d/2c/2d/2e/2 f/2e/2d/2c/2|"Em"Be "A"aA|
"D"d2 dA:|
"G"B/2A/2B/2c/2 "D"dA|"G"B/2A/2B/2c/2 "D"de/2f/2|"G"g/2f/2e/2g/2 "D"f/2e/2d/2f/2|1\
"E"e/2d/2c/2d/2 "A"e2:|2"A"e/2d/2c/2e/2 "D"d2||
"""
HEAD = "X:1\nT:t\nM:4/4\nL:1/4\nK:C\n"


def _lengths(music: str, head: str = HEAD) -> list[Fraction]:
    tune = read_tune(head + music)
    assert tune.faults == []
    return [bar.length for bar in tune.bars]


@pytest.mark.parametrize("tune", [WALTZ, BARRY, BOBBIN], ids=["waltz", "hornpipe", "reel"])
def test_real_tunes_add_up(tune: str) -> None:
    report = FORM.check(tune)
    assert report.ok, report.problems
    assert report.facts["bars"] > 6 and report.facts["notes"] > 30


@pytest.mark.parametrize(
    ("tune", "was", "now", "problem"),
    [
        (WALTZ, '"G"d2B|"D"', '"G"d2BB|"D"', "bar 2 (line 7) lasts 1, the meter asks for 3/4"),
        (WALTZ, '"G"B2G|', '"G"B2|', "bar 4 (line 7) lasts 1/2, the meter asks for 3/4"),
        (WALTZ, "[M:2/4]", "", "bar 8 (line 7) lasts 1/2, the meter asks for 3/4"),
        (BARRY, "(3def|", "def|", "lasts 9/8, the meter asks for 1"),
        (BARRY, "M:2/2\n", "", "no M: field (meter)"),
        (BOBBIN, "K:D\n", "", "music before the K: field"),
        (BOBBIN, "M:4/4", "M:four", "meter 'four' is not one"),
        (BOBBIN, "L:1/4", "L:0/4", "unit length '0/4' is not one"),
        (BOBBIN, "fA|", "fA?|", "not understood: '?|"),
        (BOBBIN, "fA|", "f>|A", "broken rhythm without a note after it"),
        (BOBBIN, "fA|", "f2/0A|", "divides by zero"),
        (BOBBIN, "T:Bobbin", "T:\nN:Bobbin", "no T: field (title)"),
        (BOBBIN, '"D"d2 dA:|', "X:6", "a second tune begins"),
    ],
)
def test_planted_faults_are_found(tune: str, was: str, now: str, problem: str) -> None:
    assert was in tune
    report = FORM.check(tune.replace(was, now, 1))
    assert not report.ok and any(problem in said for said in report.problems), report.problems


@pytest.mark.parametrize(
    ("music", "lengths"),
    [
        ("C D E F|", ["1"]),
        ("C>D E<F|", ["1"]),
        ("C>>D E<<<F|", ["1"]),
        ("(3CDE F2 G|", ["5/4"]),
        ("(3:2:4C/D/E/F/ z|", ["7/12"]),
        ("[CEG]2 [C2E2]|", ["1"]),
        ("[CE]/2 C3/2 z// x/4 C|", ["7/8"]),
        ("{ga}C !trill!D .E ~F|", ["1"]),
        ("^C_D=E^^F,,|c'd''ef|", ["1", "1"]),
        ("C-C (DE)|Z|Z2|", ["1", "1", "1"]),
        ("C D E F [1 G4 :| [2 A4 |]", ["1", "1", "1"]),
        ("C [L:1/8] D2 E2 F2 | [M:2/4] G4 |", ["1", "1/2"]),
        ("|: C4 :: D4 :|: E4 :|", ["1", "1", "1"]),
        ('"Am"C "^slow"D E F % said\n|G4|', ["1", "1"]),
    ],
)
def test_lengths(music: str, lengths: list[str]) -> None:
    assert _lengths(music) == [Fraction(length) for length in lengths]


def test_the_unit_has_a_default_and_the_meter_may_be_free() -> None:
    assert _lengths("CDEF|", "X:1\nT:t\nM:2/4\nK:C\n") == [Fraction(1, 4)]
    assert _lengths("CDEF|", "X:1\nT:t\nM:C|\nK:C\n") == [Fraction(1, 2)]
    assert FORM.check("X:1\nT:t\nM:none\nK:C\nCDE|FGAB|c|").ok


@given(st.text(alphabet="ABCabcz23/()[]{}|:<>\"'!-_^=~,.&%\\ \nMKLX", max_size=80))
def test_nothing_raises(music: str) -> None:
    FORM.check(HEAD + music)
    FORM.check(music)


_NOTE = st.builds(
    lambda pitch, top, bottom: (f"{pitch}{top}/{bottom}", Fraction(top, bottom)),
    st.sampled_from(["C", "^f", "_B,", "e'", "z", "[CEG]", '"G"d']),
    st.integers(1, 8),
    st.integers(1, 8),
)


@given(
    st.lists(st.lists(_NOTE, min_size=1, max_size=6), min_size=1, max_size=6), st.sampled_from(["|", "||", ":|", "|:"])
)
def test_written_lengths_are_read_back(bars: list[list[tuple[str, Fraction]]], line: str) -> None:
    music = line.join(" ".join(note for note, _ in bar) for bar in bars)
    assert _lengths(music) == [sum(length for _, length in bar) / 4 for bar in bars]
