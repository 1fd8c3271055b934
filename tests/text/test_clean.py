"""Cleaning repairs what is damaged, leaves Chinese, emoji and code alone, and names why it drops a document."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sibao.core.errors import BadInput
from sibao.text.clean import REASONS, CleanOptions, clean, examine, normalize, repair

OFF = CleanOptions(min_letters=0, max_damaged=1, max_repeated_lines=1, max_repeated_characters=1, max_ellipses=1)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("静夜思\r\n床前明月光，疑是地上霜。\r", "静夜思\n床前明月光，疑是地上霜。"),
        ("zero\u200bwidth\ufeff\u00ad", "zerowidth"),
        ("bell\x07 null\x00 del\x7f c1\x85", "bell null del c1"),
        ("tab\tstays  \nend\u3000\u3000", "tab\tstays\nend"),
        ("a\n\n\n\n\n\nb", "a\n\n\nb"),
        ("e\u0301", "é"),
        ("家👨‍👩‍👧和❤️", "家👨‍👩‍👧和❤️"),
        ("  indented code", "  indented code"),
        ("　　段首空两格", "　　段首空两格"),
        ("ＡＢＣ１２３，①x²㎏", "ＡＢＣ１２３，①x²㎏"),
        ("&lt;b&gt; AT&amp;T", "&lt;b&gt; AT&amp;T"),
    ],
)
def test_repair(text: str, wanted: str) -> None:
    assert repair(text) == wanted


def test_options_of_repair() -> None:
    assert repair("ＡＢＣ１２３，（①）", CleanOptions(half_width=True)) == "ABC123，（①）"
    assert repair("ＡＢ，①", CleanOptions(form="NFKC")) == "AB,1"
    assert repair("&lt;b&gt;&nbsp;AT&amp;T &#20320;", CleanOptions(unescape_html=True)) == "<b>\u00a0AT&T 你"
    assert repair("a\n\n\nb", CleanOptions(blank_lines=0)) == "a\nb"
    assert normalize("ﬁ") == "ﬁ" and normalize("ﬁ", "NFKC") == "fi"


@settings(deadline=None)
@given(st.text(max_size=200), st.sampled_from(["NFC", "NFKC"]), st.booleans())
def test_repair_twice_is_repair_once(text: str, form: Any, half_width: bool) -> None:
    options = CleanOptions(form=form, half_width=half_width)
    once = repair(text, options)
    assert repair(once, options) == once
    assert unicodedata.is_normalized(form, once)


PROSE = "\n".join(f"第{i}段：今天天气很好，我们去公园散步。" for i in range(10))


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ("", CleanOptions(), "too short"),
        ("\u200b \n", CleanOptions(), "too short"),
        ("你好", CleanOptions(min_characters=3), "too short"),
        ("锟斤拷锟斤拷 你好", CleanOptions(), "damaged characters"),
        ("caf\ufffd latt\ufffd", CleanOptions(), "damaged characters"),
        ("Itâ€™s a cafÃ©", CleanOptions(), "damaged characters"),
        ("1 + 1 = 2; 3 * 4 = 12 ----", CleanOptions(), "too few letters"),
        ("同样的一行字\n" * 10, CleanOptions(), "repeated lines"),
        (PROSE + "\n" + "click here to read on " * 20 + "\n" + "click here to read on " * 20, CleanOptions(),
         "characters in repeated lines"),
        ("\n".join(f"• 第{i}项内容" for i in range(20)), CleanOptions(), "mostly bullets"),
        ("\n".join(f"第{i}条新闻的开头……" for i in range(20)), CleanOptions(), "cut lines"),
    ],
)  # fmt: skip
def test_each_reason(text: str, options: CleanOptions, reason: str) -> None:
    assert reason in REASONS
    assert examine(text, options)[1] == reason
    assert clean(text, options) is None


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "春眠不觉晓，\n处处闻啼鸟。\n夜来风雨声，\n花落知多少。",
        "Once upon a midnight dreary, while I pondered, weak and weary,",
        "def f(x):\n    if x:\n        return [\n            1,\n        ]\n    return [\n        2,\n    ]",
        "X:1\nT:The Kesh\nM:6/8\nL:1/8\nK:G\n|:GAG GAB|ABA ABd|edd gdd|edB dBA:|",
        "Olá, ação é não; ÂNGELA e ÃO",
        "好" * 3,
    ],
)
def test_good_texts_are_kept(text: str) -> None:
    assert clean(text) == text


def test_rules_can_be_switched_off() -> None:
    assert clean("同样的一行字\n" * 10, OFF) is not None
    assert clean("锟斤拷" * 10, OFF) is not None
    assert clean("1 + 1 = 2", OFF) is not None


@pytest.mark.parametrize("wrong", [{"form": "NFX"}, {"min_letters": 2.0}, {"blank_lines": -1}])
def test_wrong_options(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=f"{next(iter(wrong))} is"):
        CleanOptions(**wrong)
