"""Compare in a real browser: nobody knows whose answer it is until the vote is cast."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.server.page.screens import NEEDS_BROWSER, PHONE
from tests.serving import Served

pytestmark = NEEDS_BROWSER

MARK = "ink is black"


def ask(page: Any) -> Any:
    """``echo`` against ``mini``; gives the room, with both answers there."""
    room = page.locator("[data-room=compare]")
    room.get_by_label("The other").select_option("echo")
    room.get_by_text("Settings of both").click()
    room.get_by_label("Most new tokens").fill("24")
    room.get_by_label("Prompt for both").fill(MARK)
    room.get_by_role("button", name="Ask both").click()
    room.locator(".ballot button:enabled").first.wait_for()
    return room


def test_a_blind_vote_is_kept_and_counted(
    page_as: Callable[..., Any], site: Served, look: Callable[[Any, str], None]
) -> None:
    page = page_as("compare")
    before = site.http.get("/api/votes").json()
    room = ask(page)
    sides = room.locator(".answer-side")
    hidden = " ".join(sides.all_inner_texts())
    assert "mini" not in hidden and "echo" not in hidden and "tokens" not in hidden
    look(page, "compare-vote-en")
    texts = sides.all_inner_texts()
    left = MARK in texts[0]
    room.get_by_role("button", name="Left is better" if left else "Right is better").click()
    room.get_by_text("Your vote is kept.").wait_for()
    assert room.locator(".revealed").all_inner_texts() == (["echo", "mini"] if left else ["mini", "echo"])
    assert room.locator(".answer-side.won .revealed").inner_text() == "echo"
    after = site.http.get("/api/votes").json()
    assert after["votes"] == before["votes"] + 1
    echo = next(one for one in after["models"] if one["model"] == "echo")
    row = room.locator("tbody tr", has_text="echo").first
    assert row.locator("td").all_inner_texts()[1:5] == [str(echo[k]) for k in ("wins", "losses", "ties", "neither")]
    assert row.locator("svg[role=img]").get_attribute("aria-label") == f"{echo['low']:.0%}–{echo['high']:.0%}"
    look(page, "compare-en")


def test_the_order_is_drawn_by_lot(page_as: Callable[..., Any]) -> None:
    page = page_as("compare")
    room = ask(page)
    places = set()
    for _ in range(24):
        places.add(MARK in room.locator(".answer-side").first.inner_text())
        if len(places) == 2:
            return
        room.get_by_role("button", name="Ask both").click()
        room.locator(".ballot button:enabled").first.wait_for()
    raise AssertionError("24 times in the same order")


def test_a_double_click_is_one_vote(page_as: Callable[..., Any], site: Served) -> None:
    page = page_as("compare")
    before = site.http.get("/api/votes").json()["votes"]
    room = ask(page)
    cast = []

    def slowly(route: Any) -> None:
        if route.request.method == "POST":
            cast.append(route.request.post_data)
            time.sleep(0.3)
        route.continue_()

    page.route("**/api/votes", slowly)
    room.get_by_role("button", name="Equally good").dblclick()
    room.get_by_text("Your vote is kept.").wait_for()
    page.wait_for_load_state("networkidle")
    assert len(cast) == 1 and site.http.get("/api/votes").json()["votes"] == before + 1


def test_half_an_answer_is_not_voted_on(page_as: Callable[..., Any]) -> None:
    page = page_as("compare")
    room = page.locator("[data-room=compare]")
    room.get_by_label("One model").select_option("slow")
    room.get_by_label("The other").select_option("echo")
    room.get_by_label("Prompt for both").fill("0123456789" * 20)
    room.get_by_role("button", name="Ask both").click()
    room.locator(".answer-side .md").first.wait_for()
    page.keyboard.press("Escape")
    room.get_by_text("stopped").first.wait_for()
    assert room.locator(".ballot button:enabled").count() == 0


def test_two_models_are_needed(page_as: Callable[..., Any], look: Callable[[Any, str], None]) -> None:
    page = page_as("compare", locale="zh-CN", **PHONE)
    room = page.locator("[data-room=compare]")
    room.get_by_label("另一个").select_option("mini")
    room.get_by_label("一个模型", exact=True).select_option("mini")
    room.get_by_text("请选两个不同的模型。").wait_for()
    room.get_by_label("给两者的提示").fill("墨")
    assert room.get_by_role("button", name="一起问").is_disabled()
    look(page, "compare-zh-phone")
