"""Chat in a real browser: written, streamed, stopped, changed, and never trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.server.page.screens import NEEDS_BROWSER, PHONE
from tests.serving import Served

pytestmark = NEEDS_BROWSER

EVIL = """<img src=x onerror="alert(1)"><script>alert(2)</script>
[go](javascript:alert(3)) [site](https://example.org/a) **bold** *soft* `<b>`

- one
  - inner
- two

```html
<i>kept</i>
```"""


def room(page: Any) -> Any:
    return page.locator("[data-room=chat]")


def choose(page: Any, model: str) -> None:
    room(page).locator(".chat-top select").select_option(model)


def send(page: Any, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_label("Message").press("Enter")


def answers(page: Any, n: int = 1) -> Any:
    """The n-th answer, once it is whole."""
    found = room(page).locator(".turn.assistant").nth(n - 1)
    found.locator(".usage").wait_for()
    return found


def asked(page: Any) -> list[dict[str, Any]]:
    """Bodies of the questions that the page sends from now on."""
    bodies: list[dict[str, Any]] = []
    page.on(
        "request",
        lambda request: request.url.endswith("/chat/completions") and bodies.append(json.loads(request.post_data)),
    )
    return bodies


def test_mini_answers_and_says_what_it_took(page: Any, look: Callable[[Any, str], None]) -> None:
    bodies = asked(page)
    room(page).get_by_label("Settings of the conversation").click()
    page.get_by_label("System prompt").fill("Answer in English.")
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("Most new tokens").fill("24")
    page.get_by_label("Seed").fill("7")
    send(page, "Write a short story about a cat.")
    answer = answers(page)
    assert answer.locator(".md").inner_text().strip()
    assert "tokens" in answer.locator(".usage").inner_text() and "prompt" in answer.locator(".usage").inner_text()
    assert bodies[0] == {
        "model": "mini", "temperature": 0, "max_tokens": 24, "seed": 7, "stream": True, "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "Answer in English."}, {"role": "user", "content": "Write a short story about a cat."},
        ],
    }  # fmt: skip
    assert "not loaded" not in room(page).locator(".chat-top option:checked").inner_text()
    look(page, "chat-en")


def test_what_was_asked_is_changed_and_asked_again(page: Any) -> None:
    choose(page, "echo")
    send(page, "first")
    answers(page)
    send(page, "second")
    answers(page, 2)
    bodies = asked(page)
    room(page).get_by_label("Edit and send again").click()
    editor = page.get_by_label("Edit and send again")
    assert editor.evaluate("e => e === document.activeElement")
    editor.fill("third")
    editor.press("Enter")
    room(page).locator(".turn.assistant .md", has_text="third").wait_for()
    answers(page, 2)
    assert room(page).locator(".said").all_inner_texts() == ["first", "third"]
    assert [m["content"] for m in bodies[0]["messages"]] == ["first", "first", "third"]
    page.get_by_label("Answer again").click()
    answers(page, 2)
    assert len(bodies) == 2 and room(page).locator(".turn").count() == 4


def test_escape_stops_and_what_was_written_stays(page: Any, site: Served) -> None:
    choose(page, "slow")
    send(page, "0123456789" * 30)
    live = room(page).locator(".turn.assistant .md")
    live.wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("stopped", exact=True).wait_for()
    written = live.inner_text()
    assert 0 < len(written) < 250
    page.wait_for_timeout(300)
    assert live.inner_text() == written
    page.get_by_label("Send", exact=True).wait_for()  # one can go on


def test_shift_enter_is_a_new_line(page: Any) -> None:
    choose(page, "echo")
    field = page.get_by_label("Message")
    field.press_sequentially("one")
    field.press("Shift+Enter")
    field.press_sequentially("two")
    assert field.input_value() == "one\ntwo" and room(page).locator(".turn").count() == 0
    field.press("Control+Enter")
    answers(page)
    assert room(page).locator(".said").inner_text() == "one\ntwo"


def composed(field: Any, key: str, how: str) -> None:
    """A key that the input method has for itself, as a browser tells of it."""
    field.evaluate(f"e => e.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true, {how}}}))")


@pytest.mark.parametrize("how", ["isComposing: true", "keyCode: 229"], ids=["Chromium", "Safari"])
def test_a_key_that_ends_composing_chinese_does_nothing_else(page: Any, how: str) -> None:
    field = page.get_by_label("Message")
    field.fill("ni hao")
    composed(field, "Enter", how)
    page.wait_for_timeout(100)
    assert room(page).locator(".turn").count() == 0
    choose(page, "slow")
    send(page, "0123456789" * 10)
    room(page).locator(".turn.assistant .md").wait_for()
    composed(field, "Escape", how)
    page.wait_for_timeout(100)
    page.get_by_label("Stop").click()
    room(page).get_by_label("Edit and send again").click()
    editor = page.get_by_label("Edit and send again")
    composed(editor, "Escape", how)
    page.wait_for_timeout(100)
    assert editor.input_value() == "0123456789" * 10


def test_a_model_writes_text_never_a_page(page: Any) -> None:
    choose(page, "echo")
    send(page, EVIL)
    shown = answers(page).locator(".md")
    assert shown.locator("img, script, iframe, [onerror], [style]").count() == 0
    links = shown.locator("a").evaluate_all("all => all.map(a => [a.href, a.rel, a.target])")
    assert links == [["https://example.org/a", "noopener noreferrer nofollow", "_blank"]]
    assert "[go](javascript:alert(3))" in shown.inner_text() and '<img src=x onerror="alert(1)">' in shown.inner_text()
    assert shown.locator("strong").inner_text() == "bold" and shown.locator("em").inner_text() == "soft"
    assert shown.locator("p code").inner_text() == "<b>" and shown.locator("pre").inner_text() == "<i>kept</i>"
    assert shown.locator("ul ul li").inner_text() == "inner" and shown.locator("ul > li").count() == 3


def test_a_failure_says_what_happened_and_can_be_tried_again(page: Any) -> None:
    choose(page, "broken")
    send(page, "hello")
    failure = page.get_by_role("alert")
    failure.wait_for()
    assert "the server failed" in failure.inner_text()
    choose(page, "echo")
    failure.get_by_role("button", name="Try again").click()
    assert answers(page).locator(".md").inner_text() == "hello"


def test_a_failure_is_told_in_chinese_with_the_servers_numbers(
    page_as: Callable[..., Any], look: Callable[[Any, str], None]
) -> None:
    page = page_as(locale="zh-CN")
    choose(page, "broken")
    page.get_by_label("消息").fill("你好")
    page.get_by_label("消息").press("Enter")
    page.get_by_role("alert").wait_for()
    assert "托管模型的服务出了问题（" in page.get_by_role("alert").inner_text()
    page.get_by_role("alert").get_by_role("button").first.click()
    choose(page, "mini")
    page.get_by_label("消息").fill("很长的话。" * 2000)
    page.get_by_label("发送", exact=True).wait_for()  # the second try has failed too
    page.get_by_label("消息").press("Enter")
    page.get_by_text("文字太长").wait_for()
    look(page, "too-long")
    assert "512" in page.get_by_role("alert").inner_text()


def test_a_conversation_outlives_a_reload_and_ends_when_told(page: Any) -> None:
    choose(page, "echo")
    send(page, "keep me")
    answers(page)
    page.reload()
    answers(page)
    assert room(page).locator(".said").inner_text() == "keep me"
    page.get_by_label("New conversation").click()
    assert room(page).locator(".turn").count() == 0


def test_chat_in_chinese_on_a_phone(page_as: Callable[..., Any], look: Callable[[Any, str], None]) -> None:
    page = page_as(locale="zh-CN", color_scheme="dark", **PHONE)
    page.get_by_label("消息").fill("写一首关于秋天的诗。")
    page.get_by_label("发送").click()
    page.locator(".turn.assistant .usage").wait_for()
    assert "词元" in page.locator(".usage").inner_text()
    look(page, "chat-zh-phone-dark")
    composer, rooms = page.locator(".composer").bounding_box(), page.locator("nav.rooms").bounding_box()
    assert composer["y"] + composer["height"] <= rooms["y"] + 1  # the field is not below the bar of rooms


def test_an_answer_broken_off_by_a_reload_stays(page: Any, look: Callable[[Any, str], None]) -> None:
    choose(page, "slow")
    send(page, "0123456789" * 30)
    live = room(page).locator(".turn.assistant .md")
    live.filter(has_text="0123456789").wait_for()
    page.reload()
    page.get_by_text("broken off", exact=True).wait_for()
    assert "0123456789" in live.inner_text()
    choose(page, "echo")
    page.get_by_label("Answer again").click()
    answers(page)
    assert live.inner_text() == "0123456789" * 30 and page.get_by_text("broken off").count() == 0
    look(page, "chat-again-en")


def test_a_question_without_an_answer_can_be_asked_again(page: Any) -> None:
    bodies = asked(page)
    page.route("**/chat/completions", lambda route: None)  # an answer that never begins
    choose(page, "echo")
    send(page, "first")
    room(page).locator(".loading").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("not answered").wait_for()
    page.reload()
    page.get_by_text("not answered").wait_for()
    page.unroute("**/chat/completions")
    page.get_by_label("Answer again").click()
    assert answers(page).locator(".md").inner_text() == "first"
    page.route("**/chat/completions", lambda route: None)
    send(page, "second")
    room(page).locator(".loading").wait_for()
    page.keyboard.press("Escape")
    page.unroute("**/chat/completions")
    send(page, "third")
    answers(page, 2)
    assert [one["role"] for one in bodies[-1]["messages"]] == ["user", "assistant", "user"]
    assert bodies[-1]["messages"][-1]["content"] == "second\n\nthird"


def test_escape_in_the_key_s_dialog_leaves_the_answer_running(page: Any) -> None:
    choose(page, "slow")
    send(page, "0123456789" * 30)
    room(page).locator(".turn.assistant .md").wait_for()
    page.get_by_role("button", name="API key").click()
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    page.wait_for_timeout(100)
    assert page.get_by_text("stopped", exact=True).count() == 0
    page.keyboard.press("Escape")
    page.get_by_text("stopped", exact=True).wait_for()


def test_a_very_long_message_is_folded(page_as: Callable[..., Any], look: Callable[[Any, str], None]) -> None:
    page = page_as(locale="zh-CN")
    choose(page, "broken")
    text = "墨" * 3999 + "𠮷" + "x" * 60_000
    page.get_by_label("消息").fill(text)
    page.get_by_label("消息").press("Enter")
    said = room(page).locator(".said p")
    said.wait_for()
    assert said.inner_text() == "墨" * 3999 + "…"  # and not half of the rare character
    look(page, "chat-folded-zh")
    page.get_by_role("button", name="显示全部 64,001 字").click()
    assert said.inner_text() == text
