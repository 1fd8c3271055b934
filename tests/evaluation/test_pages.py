"""Pages: nothing that a model wrote is markup, nothing comes from outside, and numbers are drawn where they belong."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.evaluation.pages import Axis, Cell, Column, Line, axis_of, both, escape, interval, page, table

VOID = {"meta", "input", "br", "line", "circle"}


class Reader(HTMLParser):
    """Collects tags and text; every element must be closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    """A page as a browser sees it."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>&"\'</td>'


def sample(text: str) -> str:
    """A page with a text in every place that takes one."""
    lines = [Line((Cell(escape(text), text), Cell("1", 1.0)), state=text)]
    return page(
        text, text, table((Column("a", "甲"), Column("b", "乙", number=True)), lines, f"{text}.", f"{text}。"), "zh"
    )


def test_markup_in_a_text_stays_text() -> None:
    html = sample(EVIL)
    reader = read(html)
    assert [tag for tag, _ in reader.tags].count("script") == 1 and "img" not in [tag for tag, _ in reader.tags]
    assert EVIL in "".join(reader.text) and "<script>alert" not in html
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)


@given(st.text())
def test_any_text_leaves_the_page_whole(text: str) -> None:
    tags = [tag for tag, _ in read(sample(text)).tags]
    assert tags == [tag for tag, _ in read(sample("plain")).tags]


def test_nothing_comes_from_another_host_and_only_our_script_may_run() -> None:
    html = sample("x")
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//|@import|url\(", html)
    policy = next(a["content"] for tag, a in read(html).tags if a.get("http-equiv") == "Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert " style=" not in html


def test_a_page_can_be_used_without_eyes_or_mouse() -> None:
    html = sample("x")
    tags = read(html).tags
    assert ("html", {"lang": "zh-CN", "data-language": "zh", "data-title-en": "x", "data-title-zh": "x"}) in tags
    names = [tag for tag, _ in tags]
    assert names.count("button") == 4 and "caption" in names and "main" in names
    assert all(a.get("scope") in ("col", "row") for tag, a in tags if tag == "th")
    region = next(a for _, a in tags if a.get("role") == "region")
    assert region["tabindex"] == "0" and region["aria-label"]


def test_a_table_without_a_caption_has_a_name() -> None:
    tags = read(table((Column("a", "甲"),), [], "", "", "figures", "数值")).tags
    assert "caption" not in [tag for tag, _ in tags]
    assert (tags[0][1]["aria-label"], tags[0][1]["data-label-zh"]) == ("figures", "数值")


def test_both_languages_are_there_and_equal_words_once() -> None:
    assert both("rows", "行") == '<span class="en" lang="en">rows</span><span class="zh" lang="zh-CN">行</span>'
    assert both("BLEU", "BLEU") == "BLEU" and escape("a\0b") == "a\ufffdb" and escape("\ud800") == "?"


def test_an_interval_is_drawn_to_scale() -> None:
    axis = Axis(0.0, 1.0)
    drawn = interval(0.5, 0.25, 0.75, axis, mark=0.5)
    assert axis.at(0.0) == 4 and axis.at(1.0) == 196 and axis.at(0.5) == 100
    assert 'cx="100.0"' in drawn and 'x1="52.0" x2="148.0"' in drawn and 'class="chance" x1="100.0"' in drawn
    bare = interval(0.5, None, None, axis, mark=7.0)
    assert "span" not in bare and "chance" not in bare and "aria-hidden" in bare


@pytest.mark.parametrize("values", [[], [None], [3.0], [3.0, 3.0, None], [float("nan"), 1.0], [-1.0, 2.0], [0.0]])
def test_every_axis_has_a_width(values: list[float | None]) -> None:
    axis = axis_of(values)
    assert axis.low < axis.high
    assert all(axis.low <= v <= axis.high for v in values if v is not None and v == v)
