"""Poems, code, scripts and stories: well-known texts pass, planted faults are named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sibao.tasks.forms import _verse
from sibao.tasks.forms.base import load_form

FIVE = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
SEVEN = "远上寒山石径斜，白云生处有人家。停车坐爱枫林晚，霜叶红于二月花。"
CI = dict(line.split() for line in Path(__file__).with_name("ci.txt").read_text("utf-8").splitlines())
POEM = load_form("poem")


@pytest.mark.parametrize(("text", "style"), [(FIVE, "五言"), (SEVEN, "七言"), (FIVE, ""), (SEVEN, "qiyan")])
def test_regular_verse_passes(text: str, style: str) -> None:
    pytest.importorskip("pypinyin")
    report = POEM.check(text, style)
    assert report.ok, report.problems
    assert report.facts["rhyme"] in "唐麻"


@pytest.mark.parametrize(
    ("text", "style", "problem"),
    [
        (FIVE.replace("明月光", "明月"), "五言", "line 1 has 4 characters, wanted 5"),
        (FIVE, "七言", "line 1 has 5 characters, wanted 7"),
        (FIVE.rsplit("，", 1)[0], "五言", "got 3 lines, wanted an even number"),
        (FIVE.replace("故乡", "故人"), "五言", "do not rhyme in modern Mandarin: 霜(唐)、人(文)"),
        ("", "五言", "got 0 lines"),
    ],
)
def test_regular_verse_faults(text: str, style: str, problem: str) -> None:
    pytest.importorskip("pypinyin")
    assert any(problem in said for said in POEM.check(text, style).problems)


def test_without_pypinyin_the_rhyme_is_said_to_be_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypinyin", None)
    report = POEM.check(FIVE.replace("故乡", "故人"), "五言")
    assert report.ok and report.facts["rhyme"] == _verse.NO_PINYIN


SYLLABLES = {
    "guang": "唐", "jia": "麻", "ye": "皆", "yue": "皆", "xue": "皆", "zhi": "支", "yi": "齐", "yu": "齐", "qu": "齐",
    "you": "尤", "liu": "尤", "gui": "微", "yuan": "寒", "jun": "文", "zhong": "庚", "er": "齐",
}  # fmt: skip


@pytest.mark.parametrize(("syllable", "rhyme"), list(SYLLABLES.items()))
def test_syllables_to_rhymes(syllable: str, rhyme: str) -> None:
    assert _verse.RHYMES[_verse._final(syllable)] == rhyme


@pytest.mark.parametrize("tune", CI)
def test_each_tune_fits_its_poem_and_no_other(tune: str) -> None:
    report = POEM.check(CI[tune], tune)
    assert report.ok, (report.problems, report.facts)
    assert POEM.check(CI[tune], "词").facts["tune"] == tune
    fits = [other for other in CI if POEM.check(CI[tune], other).ok]
    assert fits == [tune]


def test_a_tune_names_the_line_that_is_off() -> None:
    bad = CI["忆江南"].replace("能不忆江南", "能不忆")
    assert POEM.check(bad, "忆江南").problems == ["line 5 has 3 characters, 忆江南 asks for 5"]
    assert (
        "got 4 lines, 忆江南 asks for 5"
        in POEM.check("江南好，风景旧曾谙。日出江花红胜火，春来江水绿如蓝。", "忆江南").problems[0]
    )


@pytest.mark.parametrize(
    "pair",
    [
        "night white",
        "day weigh",
        "rain lane",
        "high sky",
        "see sea",
        "tree be",
        "snow go",
        "hand land",
        "the me",
        "I high",
        "eight late",
    ],
)
def test_spelling_rhymes(pair: str) -> None:
    one, two = pair.split()
    assert _verse.rhyme_key(one) == _verse.rhyme_key(two)


def test_english_verse() -> None:
    star = "Twinkle, twinkle, little star,\nHow I wonder what you are!\n"
    star += "Up above the world so high,\nLike a diamond in the sky."
    report = POEM.check(star, "verse")
    assert report.ok and report.facts["lines"] == 4 and report.facts["rhymed_lines"] >= 1
    prose = "The cat sat\non a big dog\nand then it left\nthe old house"
    assert "no two neighbouring line ends rhyme" in POEM.check(prose, "verse").problems[0]


CODE = load_form("code")


def test_python_is_parsed_fences_and_all() -> None:
    report = CODE.check("Here:\n```python\ndef f(x):\n    return x\n```\n")
    assert report.ok and report.facts["functions"] == 1
    assert "does not parse" in CODE.check("def f(:\n    pass").problems[0]
    assert CODE.check("# only a comment").problems == ["there is no statement"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("function f(a) { return [a, ')']; } // (", ""),
        ("function f(a) { return [a;\n }", "closes nothing"),
        ("int f(int a) {\n return (a);", "line 1: '{' is never closed"),
    ],
)
def test_brackets_balance(text: str, problem: str) -> None:
    report = CODE.check(text, "javascript")
    assert report.facts["functions"] == 1
    assert report.ok is not bool(problem) and problem in "".join(report.problems)


@pytest.mark.parametrize(
    ("text", "speakers"),
    [
        ("HAMLET:\nTo be,\nor not to be.\n\nHORATIO:\nMy lord?", {"HAMLET": 1, "HORATIO": 1}),
        ("[Enter two]\nAnna: Hello.\nBen: Hi!\nAnna: Bye.", {"Anna": 2, "Ben": 1}),
        ("甲：你好。\n（停）\n乙：再见。", {"甲": 1, "乙": 1}),
    ],
)
def test_scripts(text: str, speakers: dict[str, int]) -> None:
    report = load_form("script").check(text)
    assert report.ok and report.facts["speakers"] == speakers


def test_script_faults() -> None:
    problems = load_form("script").check("Once upon a time\nAnna:\n").problems
    assert problems[0] == "line 1 has no speaker: 'Once upon a time'"
    assert "Anna has an empty line" in problems and "got 1 speakers" in problems[-1]


def test_stories_end() -> None:
    story = load_form("story")
    assert story.check("他说：“走吧。”").ok and story.check("It rained. We left!").facts["sentences"] == 2
    assert "does not end" in story.check("It rained. And then").problems[0]
