"""The frame around the rooms: language, theme, addresses, keyboard, key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.server.page.screens import NEEDS_BROWSER, PHONE
from tests.serving import serving
from tests.workflows.test_pages_in_a_browser import contrast

pytestmark = NEEDS_BROWSER

ROOMS = ("chat", "tasks", "compare", "scorecards", "choose", "runs", "data")
NAMES = {
    "en-US": ["Chat", "Tasks", "Compare", "Scores", "Choose", "Runs", "Data"],
    "zh-CN": ["对话", "任务", "对比", "评分", "选型", "运行", "数据"],
}


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("screen", ["wide", "phone"])
def test_every_room_fits_every_screen(
    page_as: Callable[..., Any], look: Callable[[Any, str], None], locale: str, screen: str
) -> None:
    dark = {"color_scheme": "dark" if locale == "en-US" else "light"}
    page = page_as(locale=locale, **dark, **(PHONE if screen == "phone" else {}))
    for room, name in zip(ROOMS, NAMES[locale], strict=True):
        page.locator("nav.rooms a", has_text=name).click()
        page.locator(f"[data-room={room}]").wait_for()
        assert page.locator(f"[data-room={room}] h1").inner_text() == name
        assert page.title().startswith(name) and page.url.endswith(f"#/{room}")
        page.wait_for_load_state("networkidle")
        look(page, f"{room}-{locale[:2]}-{screen}")
    assert page.locator("html").get_attribute("lang") == ("en" if locale == "en-US" else "zh-CN")


def test_language_and_theme_are_chosen_and_kept(page: Any) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="中文").click()
    assert page.locator("h1").inner_text() == "对话" and page.locator("html").get_attribute("lang") == "zh-CN"
    page.get_by_label("外观：跟随系统").click()
    page.get_by_label("外观：浅色").click()
    page.get_by_label("外观：深色").wait_for()
    assert page.evaluate(paper) != light
    page.reload()
    page.get_by_label("外观：深色").wait_for()
    assert page.locator("h1").inner_text() == "对话" and page.evaluate(paper) != light


def test_the_system_s_dark_is_the_same_dark(page_as: Callable[..., Any]) -> None:
    """The two lists of dark colours must not drift apart."""
    rules = "[...document.styleSheets].flatMap(s => [...s.cssRules]).find(r => r.selectorText === ':root').style"
    value = "n => n + getComputedStyle(document.documentElement).getPropertyValue(n)"
    values = f"[...{rules}].filter(n => n.startsWith('--')).map({value})"
    by_system, by_choice = page_as(color_scheme="dark"), page_as(color_scheme="light")
    by_choice.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert by_system.evaluate(values) == by_choice.evaluate(values)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_from_the_page(page: Any, theme: str) -> None:
    """WCAG 2: a contrast of 4.5 for text, 3 for what is drawn."""
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    colour = "n => getComputedStyle(document.documentElement).getPropertyValue('--' + n).trim()"
    least = {
        "ink": 4.5,
        "soft": 4.5,
        "good": 4.5,
        "bad": 4.5,
        "warn": 4.5,
        "bar": 4.5,
        "seal": 4.5,
        "focus": 3,
        "edge": 3,
    }
    for name, wanted in least.items():
        for ground in ("paper", "raised", "sunk"):
            pair = [long(page.evaluate(colour, n)) for n in (name, ground)]
            assert contrast(*pair) >= wanted, (theme, name, ground, pair)
    assert contrast(*[long(page.evaluate(colour, n)) for n in ("on-seal", "seal")]) >= 4.5
    assert contrast(*[long(page.evaluate(colour, n)) for n in ("ink", "mark")]) >= 4.5


def long(colour: str) -> str:
    """``#rgb`` as ``#rrggbb``."""
    digits = colour.lstrip("#")
    return "#" + ("".join(d * 2 for d in digits) if len(digits) == 3 else digits)


def test_the_keyboard_reaches_everything(page: Any) -> None:
    page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        )
    for name in (
        "Skip to the content",
        "四宝 Sibao",
        "中文",
        "API key",
        *NAMES["en-US"],
        "Settings of the conversation",
        "Message",
    ):
        assert name in reached, (name, reached)
    page.locator("nav.rooms a", has_text="Tasks").focus()
    page.keyboard.press("Enter")
    page.locator("[data-room=tasks]").wait_for()
    assert page.evaluate("document.activeElement.id") == "main"  # the next Tab is in the room
    outline = "e => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth"
    page.keyboard.press("Tab")
    assert page.evaluate(f"({outline})(document.activeElement)") == "solid2px"


def test_what_was_typed_survives_a_look_into_another_room(page: Any) -> None:
    page.get_by_label("Message").fill("half a thought")
    page.locator("nav.rooms a", has_text="Data").click()
    page.go_back()
    assert page.get_by_label("Message").input_value() == "half a thought"


def test_an_unknown_address_shows_the_first_room(page_as: Callable[..., Any]) -> None:
    page = page_as("no%zz/such")
    assert page.locator("h1").inner_text() == "Chat"


def test_a_server_with_keys_asks_for_one(page_as: Callable[..., Any], tmp_path: Path) -> None:
    from sibao.server.keys import new_key

    key = new_key(tmp_path / "keys.toml", "laptop")
    with serving(tmp_path / "home", "--model", "echo=mock:echo", "--keys", str(tmp_path / "keys.toml")) as server:
        page = page_as(url=server.url)
        dialog = page.get_by_role("dialog")
        dialog.wait_for()  # the page knows that a key is needed
        page.get_by_label("Key", exact=True).fill("not-this-one")
        page.get_by_role("button", name="Use it").click()
        dialog.wait_for(state="hidden")
        page.get_by_label("Message").fill("hello")
        page.get_by_label("Message").press("Enter")
        dialog.wait_for()  # and is told that it was the wrong one
        assert "this API key is not known" in page.get_by_role("alert").inner_text()
        page.get_by_label("Key", exact=True).fill(key)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Try again").click()
        page.locator(".turn.assistant .usage").wait_for()
        assert key not in page.evaluate("Object.values(localStorage).join()")  # only this tab knows it
        assert key in page.evaluate("Object.values(sessionStorage).join()")


def test_what_needed_the_key_is_asked_for_again_once_it_is_there(page_as: Callable[..., Any], tmp_path: Path) -> None:
    from sibao.server.keys import new_key

    key = new_key(tmp_path / "keys.toml", "laptop")
    with serving(tmp_path / "home", "--model", "echo=mock:echo", "--keys", str(tmp_path / "keys.toml")) as server:
        for room, shown in (("tasks/write", "option[value=music]"), ("compare", ".standings .empty")):
            page = page_as(room, url=server.url)
            page.get_by_role("dialog").wait_for()
            assert page.locator(shown).count() == 0
            page.get_by_label("Key", exact=True).fill(key)
            page.keyboard.press("Enter")
            page.locator(shown).wait_for(state="attached")


def test_a_server_that_is_gone_is_told_of_until_it_answers_again(page: Any) -> None:
    page.route("**/api/**", lambda route: route.abort())
    page.locator("nav.rooms a", has_text="Runs").click()
    page.get_by_text("no connection").wait_for()
    page.unroute("**/api/**")
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("no connection").wait_for(state="detached")
    page.goto(page.url + "/no such")
    page.get_by_text("There is no run “no such”.").wait_for()
