"""The room Choose in a real browser: a form, a race, the pick and its plot."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.server.home import PAIRS
from tests.server.page.screens import NEEDS_BROWSER, PHONE

pytestmark = NEEDS_BROWSER

ROWS = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in PAIRS)


def test_a_model_is_chosen_on_a_dropped_file(page_as: Callable[..., Any], look: Callable[[Any, str], None]) -> None:
    page = page_as("choose")
    here = page.locator("[data-room=choose]")
    here.locator(".candidate").nth(1).wait_for()
    here.get_by_label("What you want, in your own words").fill("translate letters into English")
    here.get_by_text("That is the task “translate”.").wait_for()
    here.get_by_label("Translate into").select_option("en")
    here.locator("input[type=file]").set_input_files(
        {"name": "信.jsonl", "mimeType": "text/plain", "buffer": ROWS.encode()}
    )
    here.get_by_text("信.jsonl").wait_for()
    for place, precision in enumerate(("auto", "int8")):
        here.get_by_label("Model").nth(place).select_option("mini")
        here.get_by_label("Precision").nth(place).select_option(precision)
    here.get_by_text("The race", exact=True).click()
    here.get_by_label("Tokens of one answer at most").fill("16")
    here.get_by_role("button", name="Start the race").click()
    here.locator("[data-job=running]").wait_for()
    look(page, "choose-race-en")
    outcome = here.locator("[data-outcome]")
    outcome.wait_for(timeout=150_000)
    assert outcome.locator(".verdict").inner_text() in ("Take mini", "Take mini (int8)")
    assert outcome.locator(".spot").count() == 2 and outcome.locator(".spot.chosen").count() == 1
    outcome.locator(".reach").first.hover()
    assert outcome.locator(".readout").inner_text().startswith("mini: quality ")
    outcome.get_by_label("Quality against").select_option("memory")
    assert outcome.locator("h3").first.inner_text() == "Quality and memory"
    look(page, "choose-en")
    outcome.get_by_role("button", name="Table").click()
    assert "Pareto front" in outcome.locator("table").first.inner_text()
    _after_a_reload_in_chinese(page, look)


def _after_a_reload_in_chinese(page: Any, look: Callable[[Any, str], None]) -> None:
    page.get_by_role("button", name="中文").click()
    page.reload()
    outcome = page.locator("[data-outcome]")
    outcome.wait_for()
    assert outcome.locator(".verdict").inner_text().startswith("选 mini")
    page.set_viewport_size(PHONE["viewport"])
    outcome.locator(".plot svg").wait_for()
    look(page, "choose-zh-phone")


def test_what_cannot_be_used_is_said_beside_the_form(page_as: Callable[..., Any]) -> None:
    page = page_as("choose", locale="zh-CN")
    here = page.locator("[data-room=choose]")
    here.locator(".candidate").nth(1).wait_for()
    here.get_by_label("或粘贴 JSON 行").fill('{"en": "a", "zh": "b"}\nx')
    here.get_by_role("button", name="开始比赛").click()
    here.get_by_role("alert").wait_for()
    assert "rows.jsonl:2" in here.get_by_role("alert").inner_text()


@pytest.mark.parametrize(
    ("locale", "said"), [("en-US", "The server was restarted"), ("zh-CN", "服务器已重新启动")], ids=["en", "zh"]
)
def test_a_choice_that_a_restart_ended_is_told_of(page_as: Callable[..., Any], locale: str, said: str) -> None:
    page = page_as("chat", locale=locale)
    page.evaluate("localStorage.setItem('sibao.choose.job', '0123456789abcdef')")  # begun before
    page.reload()
    page.locator("nav.rooms a", has_text="Choose" if locale == "en-US" else "选型").click()
    told = page.locator("[data-room=choose] p.warn[role=status]")
    told.get_by_text(said).wait_for()
    told.get_by_role("link").click()
    page.locator("[data-room=runs]").wait_for()
    page.reload()
    page.go_back()
    page.locator("[data-room=choose] .candidate").first.wait_for()
    assert told.count() == 0  # said once


def test_a_choice_is_given_up(page_as: Callable[..., Any]) -> None:
    page = page_as("choose")
    here = page.locator("[data-room=choose]")
    here.locator(".candidate").nth(1).wait_for()
    here.get_by_label("What you want, in your own words").fill("summarize")
    here.get_by_role("button", name="Give advice").click()
    here.get_by_role("button", name="Give up").click()
    here.get_by_text("Given up.").wait_for()
    assert here.get_by_role("button", name="Give advice").is_enabled()
