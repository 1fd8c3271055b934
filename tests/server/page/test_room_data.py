"""The room Data in a real browser: a file is dropped, bad rows are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.server.page.screens import NEEDS_BROWSER, PHONE

pytestmark = NEEDS_BROWSER

ROWS = '{"en": "Hi <b>", "zh": "你好"}\n{"en": "Hi", "zh": 3}\nnot json\n'


def give(page: Any, name: str, content: str) -> Any:
    here = page.locator("[data-room=data]")
    here.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": content.encode()}
    )
    return here


@pytest.mark.parametrize(
    "locale, verdict, how",
    [
        ("en-US", "2 of 3 rows cannot be used.", {}),
        ("zh-CN", "3 行中有 2 行不能用。", {}),
        ("zh-CN", "3 行中有 2 行不能用。", PHONE),
    ],
)
def test_a_file_is_understood(
    page_as: Callable[..., Any], look: Callable[[Any, str], None], locale: str, verdict: str, how: dict[str, Any]
) -> None:
    page = page_as("data", locale=locale, **how)
    here = give(page, "数据.jsonl", ROWS)
    here.get_by_text(verdict).wait_for()
    bad = here.locator("table").first.locator("tbody tr")
    assert [row.split("\t")[:2] for row in bad.all_inner_texts()] == [["2", "zh"], ["3", ""]]
    assert "wanted a string, got int" in bad.first.inner_text()
    assert "Hi <b>" in here.locator(".sample").first.inner_text(), "what stands in a row is text, never markup"
    look(page, f"data-{locale[:2]}{'-phone' if how else ''}")


def test_another_file_takes_the_place_of_the_first(page: Any) -> None:
    page.goto(page.url.replace("#/chat", "#/data"))
    give(page, "a.jsonl", ROWS).get_by_text("2 of 3 rows cannot be used.").wait_for()
    here = give(page, "b.csv", "text\n你好\n")
    here.get_by_text("All 1 rows were understood.").wait_for()
    assert here.get_by_text("a.jsonl", exact=True).count() == 0
    here = give(page, "c.exe", "x")
    here.get_by_role("alert").wait_for()
    assert "has no extension that Sibao reads" in here.get_by_role("alert").inner_text()
    assert here.locator("[data-look]").count() == 0
