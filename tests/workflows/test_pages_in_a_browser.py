"""The reports in a real browser: sorted, filtered and translated by keyboard, without network, without a foreign script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.evaluation.browser import CHROMIUM, Browser
from tests.evaluation.test_pages import EVIL
from tests.evaluation.test_plots import CARD
from tests.workflows.stored_runs import choices

from sibao.core.prices import Price
from sibao.store import database
from sibao.workflows._board_html import write_page
from sibao.workflows._choose_ask import Ask
from sibao.workflows._choose_cells import Candidate
from sibao.workflows._choose_html import page as choice_page
from sibao.workflows._compare_html import write_report
from sibao.workflows._scorecard_html import page as card_page
from sibao.workflows.choose import choose
from sibao.workflows.compare import compare_runs
from sibao.workflows.leaderboard import import_files, leaderboard

TABLES = Path(__file__).parents[1] / "data" / "paperswithcode" / "tables.json"
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (make system installs it)"),
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    yield
    database.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


def column(browser: Browser, index: int) -> list[str]:
    """The texts of a column of the first table, hidden rows left out."""
    rows = "[...document.querySelector('table').tBodies[0].rows].filter(r => !r.hidden)"
    found: list[str] = browser.run(f"{rows}.map(r => r.cells[{index}].innerText)")
    return found


def requests(browser: Browser) -> list[str]:
    """Everything that the page asked for."""
    return [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]


def complaints(browser: Browser) -> list[str]:
    """What the browser wrote to its log: a broken policy, an error in a script."""
    return [
        str(e["params"]) for e in browser.events if e.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")
    ]


def test_a_comparison_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    old, new = choices("old", [1.0, 0.0, None, 0.0, 1.0]), choices("new", [1.0, 1.0, 1.0, 0.0, 0.0], row1=EVIL)
    page = write_report(compare_runs(old, new), tmp_path / "比较.html")
    browser.open(page)
    assert browser.run("document.querySelectorAll('script').length") == 1 and browser.run("document.images.length") == 0
    rows = "[...document.querySelectorAll('tr[data-filter]')]"
    visible = f"{rows}.filter(r => !r.hidden).map(r => r.dataset.filter)"
    assert browser.run(visible) == ["gained", "lost"]  # what changed is shown first
    browser.run("document.querySelector('input[data-state=\"missing\"]').focus()")
    browser.press(" ", 32, " ")
    assert sorted(browser.run(visible)) == ["gained", "lost", "missing"]
    assert browser.run("document.getElementById('shown').textContent") == "3 / 5"
    browser.run("const s = document.getElementById('search'); s.value = 'onerror'; s.dispatchEvent(new Event('input'))")
    browser.run("new Promise(done => setTimeout(done, 200))")
    assert browser.run(visible) == ["gained"]  # the text that a model wrote is text, and is found as such
    browser.run("document.getElementById('language').focus()")
    browser.press("Enter", 13, "\r")
    assert browser.run("document.documentElement.lang") == "zh-CN"
    assert "逐行" in browser.run("document.body.innerText") and "Row by row" not in browser.run(
        "document.body.innerText"
    )
    paper = "getComputedStyle(document.body).backgroundColor"
    light = browser.run(paper)
    browser.run("document.getElementById('theme').click()")
    assert browser.run(paper) != light
    assert requests(browser) == [page.as_uri()] and complaints(browser) == []


def test_a_leaderboard_is_sorted_and_searched(browser: Browser, tmp_path: Path) -> None:
    for model, right in (("a", 6), ("b", 9), ("c", 2)):
        choices(model, [1.0] * right + [0.0] * (10 - right))
    import_files([str(TABLES)])
    tables = leaderboard()
    page = write_page(tables, tmp_path / "board.html", "zh")
    browser.open(page)
    assert column(browser, 0) == ["b", "a", "c"] and browser.run("document.title") == "排行榜"
    head = "document.querySelectorAll('table')[0].tHead.rows[0].cells"
    browser.run(f"{head}[2].querySelector('button').focus()")
    browser.press("Enter", 13, "\r")
    assert (
        column(browser, 2) == ["0.9", "0.6", "0.2"]
        and browser.run(f"{head}[2].getAttribute('aria-sort')") == "descending"
    )
    browser.press("Enter", 13, "\r")
    assert (
        column(browser, 2) == ["0.2", "0.6", "0.9"]
        and browser.run(f"{head}[2].getAttribute('aria-sort')") == "ascending"
    )
    browser.run(f"{head}[0].querySelector('button').click()")
    assert column(browser, 0) == ["a", "b", "c"]
    browser.run(
        "const s = document.getElementById('search'); s.value = 'ogbn SAGN'; s.dispatchEvent(new Event('input'))"
    )
    browser.run("new Promise(done => setTimeout(done, 200))")
    shown = browser.run("[...document.querySelectorAll('section')].filter(s => !s.hidden).length")
    assert shown == sum(b.dataset == "ogbn-products" for b in tables) == 3
    width = browser.run("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] <= width[1]  # wide tables scroll by themselves, never the page
    assert requests(browser) == [page.as_uri()] and complaints(browser) == []


def test_plots_are_drawn_in_the_colours_of_the_page(browser: Browser, tmp_path: Path) -> None:
    rows = [{"prompt": text, "completion": text} for text in ("甲", "b", "c", "d")]
    models = (Candidate("mock:echo", price=Price(2.0, 2.0)), Candidate("mock:empty", price=Price(1.0, 1.0)))
    choice = choose(Ask(models, rows=rows, task="generate", metric="accuracy"), quiet=True)
    for html, title in ((card_page(CARD, "zh"), "评分卡 · 某模型"), (choice_page(choice), None)):
        page = tmp_path / "page.html"
        page.write_text(html, encoding="utf-8")
        browser.open(page)
        assert title is None or browser.run("document.title") == title
        seen = "[...document.querySelectorAll('svg.plot')].filter(s => s.getBoundingClientRect().width > 200)"
        count, lines = browser.run(f"{seen}.length"), f"{seen}[0].querySelectorAll('use, path[clip-path]')"
        assert count == browser.run("document.querySelectorAll('svg.plot').length") / 2 > 0
        assert browser.run(f"[...{lines}].filter(one => one.getBoundingClientRect().width > 2).length") > 2
        for theme, colour in (("light", "rgb(143, 59, 2)"), ("dark", "rgb(240, 163, 91)")):
            browser.run(f"document.documentElement.dataset.theme = '{theme}'")
            dot = f"{seen}[0].querySelector('[stroke=\"#d9480f\"]')"
            assert browser.run(f"getComputedStyle({dot}).stroke") == colour
        browser.run("document.getElementById('language').click()")
        assert browser.run(f"{seen}.length") == count
        width = browser.run("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert width[0] <= width[1]
        assert requests(browser) == [page.as_uri()] and complaints(browser) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_from_the_page(browser: Browser, tmp_path: Path, theme: str) -> None:
    """WCAG 2: a contrast of 4.5 for text, 3 for what is drawn."""
    page = write_report(compare_runs(choices("a", [1.0, 0.0]), choices("b", [1.0, 1.0])), tmp_path / "c.html")
    browser.open(page)
    browser.run(f"document.documentElement.dataset.theme = '{theme}'")
    for name, least in {
        "ink": 4.5,
        "soft": 4.5,
        "good": 4.5,
        "bad": 4.5,
        "warn": 4.5,
        "bar": 3.0,
        "focus": 3.0,
    }.items():
        for ground in ("paper", "raised"):
            pair = [
                browser.run(f"getComputedStyle(document.documentElement).getPropertyValue('--{n}')")
                for n in (name, ground)
            ]
            assert contrast(*pair) >= least, (name, ground)


def contrast(first: str, second: str) -> float:
    """Ratio of the relative luminances of two colours (#rrggbb)."""

    def luminance(colour: str) -> float:
        parts = [int(colour.strip()[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)
