"""What hands do: typing key by key, clicking twice, letting a file go beside its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.server.page.screens import NEEDS_BROWSER
from tests.server.page.test_chat import asked, choose, room
from tests.server.page.test_tasks import part

pytestmark = NEEDS_BROWSER
TWICE_MS = 150
"""Between the two halves of a double click."""


def click_twice(page: Any, button: Any) -> None:
    """As a person double clicks: both halves at the same place, whatever stands there by then."""
    box = button.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(2):
        page.mouse.down()
        page.mouse.up()
        page.wait_for_timeout(TWICE_MS)


def test_a_decimal_is_typed_key_by_key(page: Any) -> None:
    bodies = asked(page)
    choose(page, "echo")
    room(page).get_by_label("Settings of the conversation").click()
    field = page.get_by_label("Temperature")
    field.press_sequentially("0.75", delay=20)
    assert field.input_value() == "0.75"
    field.press("Backspace")
    page.get_by_label("Seed").press_sequentially("-12", delay=20)
    page.get_by_label("Message").fill("hello")
    page.get_by_label("Message").press("Enter")
    room(page).locator(".usage").wait_for()
    assert (bodies[0]["temperature"], bodies[0]["seed"]) == (0.7, -12)
    field.fill("")
    page.get_by_label("Message").fill("again")
    page.get_by_label("Message").press("Enter")
    room(page).locator(".usage").nth(1).wait_for()
    assert "temperature" not in bodies[1]


def test_a_double_click_starts_and_does_not_stop(page_as: Callable[..., Any]) -> None:
    page = page_as()
    choose(page, "slow")
    page.get_by_label("Message").fill("0123456789" * 30)
    click_twice(page, page.get_by_label("Send", exact=True))
    room(page).locator(".turn.assistant .md").wait_for()
    assert page.get_by_text("stopped", exact=True).count() == 0
    page.wait_for_timeout(300)
    page.get_by_label("Stop").click()  # and a click of its own stops
    page.get_by_text("stopped", exact=True).wait_for()

    page = page_as("tasks/write")
    page.locator("[data-room=tasks] .task-model select").select_option("slow")
    here = part(page, "write")
    here.get_by_label("What about").fill("0123456789" * 30)
    click_twice(page, here.get_by_role("button", name="Write"))
    page.wait_for_timeout(300)
    here.get_by_role("button", name="Stop").click()
    here.get_by_text("Stopped before the end.").wait_for()

    page = page_as("compare")
    here = page.locator("[data-room=compare]")
    here.get_by_label("One model").select_option("slow")
    here.get_by_label("Prompt for both").fill("0123456789" * 30)
    click_twice(page, here.get_by_role("button", name="Ask both"))
    page.wait_for_timeout(300)
    assert here.get_by_text("stopped", exact=True).count() == 0
    here.get_by_role("button", name="Stop").click()
    here.get_by_text("stopped", exact=True).first.wait_for()


@pytest.mark.parametrize("where", ["data", "chat"])
def test_a_file_let_go_anywhere_never_takes_the_place_of_the_page(page_as: Callable[..., Any], where: str) -> None:
    """The room's own place takes it, wherever in the window it was let go; of two, it says that it took one."""
    page = page_as("data", locale="zh-CN")
    page.locator("[data-room=data] .drop").wait_for()
    if where == "chat":
        page.goto(page.url.replace("#/data", "#/chat"))
    files = page.evaluate_handle(
        "() => { const d = new DataTransfer(); for (const name of ['a.csv', 'b.csv'])"
        " d.items.add(new File(['text\\nhi\\n'], name)); return d }"
    )
    page.wait_for_timeout(100)
    prevented = page.evaluate(
        "files => ['dragover', 'drop'].map(kind => !document.querySelector('h1').dispatchEvent("
        "new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true})))",
        files,
    )
    assert prevented == [True, True]
    if where == "data":
        page.get_by_text("2 个文件中只取了 a.csv。").wait_for()
        page.locator("[data-look='a.csv']").wait_for()
    else:
        page.goto(page.url.replace("#/chat", "#/data"))
        page.wait_for_timeout(200)
        assert page.locator("[data-look]").count() == 0


def test_the_cursor_is_where_one_goes_on(page_as: Callable[..., Any]) -> None:
    page = page_as("tasks/answer")
    page.locator("nav.rooms a", has_text="Chat").click()
    message = page.get_by_label("Message")
    message.wait_for()
    page.wait_for_timeout(100)
    assert message.evaluate("e => e === document.activeElement")
    choose(page, "echo")
    message.fill("hello")
    message.press("Enter")
    room(page).locator(".usage").wait_for()
    for key in ("Escape", "Enter"):
        room(page).get_by_label("Edit and send again").click()
        page.get_by_label("Edit and send again").press(key)
        assert page.evaluate("document.activeElement.className") == "turn user", "the next Tab is near what was changed"
    page.go_back()
    here = part(page, "answer")
    here.get_by_label("Passage").fill("Cai Lun made paper.")
    here.get_by_label("Question").fill("Who?")
    here.get_by_label("Question").press("Enter")
    here.get_by_role("button", name="Change the passage").click()
    assert here.get_by_label("Passage").evaluate("e => e === document.activeElement")
