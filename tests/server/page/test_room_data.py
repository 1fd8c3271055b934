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
    "locale, verdict, why, how",
    [
        ("en-US", "2 of 3 rows cannot be used.", "wanted a string, got int", {}),
        ("zh-CN", "3 行中有 2 行不能用。", "应为字符串，实为 int", {}),
        ("zh-CN", "3 行中有 2 行不能用。", "应为字符串，实为 int", PHONE),
    ],
)
def test_a_file_is_understood(
    page_as: Callable[..., Any], look: Callable[[Any, str], None],
    locale: str, verdict: str, why: str, how: dict[str, Any],
) -> None:  # fmt: skip
    page = page_as("data", locale=locale, **how)
    here = give(page, "数据.jsonl", ROWS)
    here.get_by_text(verdict).wait_for()
    bad = here.locator("table").first.locator("tbody tr")
    assert [row.split("\t")[:2] for row in bad.all_inner_texts()] == [["2", "zh"], ["3", ""]]
    assert why in bad.first.inner_text()
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


def test_a_long_name_and_the_reasons_in_chinese(page_as: Callable[..., Any], look: Callable[[Any, str], None]) -> None:
    page = page_as("data", locale="zh-CN", **PHONE)
    here = page.locator("[data-room=data]")
    content = b'{"text": 1}\n{"a": 1}\n{"text": NaN}\n{"text": "a"} b\n[]\n{"text": "x", "text": "y"}\n'
    content += '{"text": "你"}\n'.encode("gbk")
    name = "a" * 110 + ".jsonl"
    here.locator("input[type=file]").set_input_files({"name": name, "mimeType": "text/plain", "buffer": content})
    here.locator("h2").wait_for()
    look(page, "data-long-name-zh-phone")  # nothing sticks out
    rows = here.locator("table").first.locator("tbody tr").all_inner_texts()
    reasons = [row.split("\t")[2] for row in rows]
    assert len(reasons) == 7
    assert not any(word in " ".join(reasons) for word in ("wanted", "invalid", "known", "use ", "file")), reasons
    assert reasons[-1].startswith("本行第 10 字节不是有效的 UTF-8 若文件是 GB18030 或 GBK 编码：iconv")
