"""Plots in pages: nothing that the policy refuses, names of their own, colours that the page knows."""

from __future__ import annotations

import re

from tests.evaluation.test_pages import EVIL, Reader

from sibao.core.types import Score
from sibao.evaluation.pages import ASSETS
from sibao.evaluation.plots import MARKED, MEASURED, QUIET, figure
from sibao.evaluation.scorecard import Cell, Scorecard, cells_of
from sibao.evaluation.suite_index import load_suite
from sibao.workflows._scorecard_html import page
from sibao.workflows._scorecard_plot import plots
from sibao.workflows.scorecard import about_suite


def cells(name: str, suite: str, score: Score) -> list[Cell]:
    """A figure under a name, told as its suite tells it."""
    return cells_of(name, [score], about_suite(load_suite(suite)), "r1", "2026-01-02")


CELLS = (
    *cells(f"甲 {EVIL}", "csl_category", Score("acc", 0.7, 0.6, 0.8, n=40, chance=0.25)),
    *cells("乙", "csl_category", Score("acc", 0.3, 0.2, 0.4, n=40, chance=0.25, signature="acc|n:40")),
    *cells("丙", "crows_pairs", Score("pct_stereotype", 0.6, 0.5, 0.7, n=40)),
    Cell("facts", "licence", "Apache-2.0", source="config.json", note={"en": "a note", "zh": "一个说明"}),
)
CARD = Scorecard("某模型", "fp32", "a machine", "2026-01-02", CELLS)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def test_a_figure_has_no_styles_and_only_names_of_its_own() -> None:
    one, other = (figure(plots(CARD)["quality"], name, "quality", "质量") for name in ("first", "second"))
    tags = [a for _, a in read(one).tags]
    assert "style" not in one and "xlink" not in one and "rdf" not in one
    named = [set(re.findall(r'(?:id|href)="#?([^"]+)"|url\(#([^)]+)\)', html)) for html in (one, other)]
    assert named[0] and not named[0] & named[1]
    ids = {a["id"] for a in tags if "id" in a}
    used = {str(a[key]).strip("url()#") for a in tags for key in ("href", "clip-path") if key in a}
    assert used and used <= ids
    assert f"甲 {EVIL}" in "".join(read(one).text)


def test_the_page_has_every_colour_for_light_and_dark() -> None:
    css = (ASSETS / "page.css").read_text(encoding="utf-8")
    drawn = "".join(figure(svg, "x", "x", "x") for svg in plots(CARD).values())
    found = set(re.findall(r'(?:stroke|fill)="#[0-9a-f]{6}"', drawn))
    assert {found_in for colour in (MEASURED, MARKED, QUIET) for found_in in found if colour in found_in}
    assert {one for one in found if f".plot [{one}]" not in css} == set()


def test_a_scorecard_is_one_page_in_both_languages() -> None:
    html = page(CARD, "zh")
    reader = read(html)
    tags = [tag for tag, _ in reader.tags]
    assert (
        html.startswith('<!doctype html>\n<html lang="zh-CN"') and " style=" not in html and html.count("<style>") == 1
    )
    assert tags.count("svg") == 4 and tags.count("table") == 3 and tags.count("script") == 1 and "img" not in tags
    text = "".join(reader.text)
    for word in ("Scorecard", "评分卡", "Knowledge and reasoning", "知识与推理", "一个说明", "a note", "acc|n:40"):
        assert word in text
