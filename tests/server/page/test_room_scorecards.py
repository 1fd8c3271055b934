"""Scorecards and the leaderboard in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.server.page.screens import NEEDS_BROWSER, PHONE
from tests.serving import Served
from tests.workflows.stored_runs import choices

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module", autouse=True)
def measured(site: Served) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIBAO_HOME", str(site.home))
        choices("board-first", [1.0] * 90 + [0.0] * 10)
        choices("board-last", [1.0, 0.0, 0.0, 0.0] * 25)


def test_a_card_is_drawn_and_stands_as_a_table(page_as: Callable[..., Any], look: Callable[[Any, str], None]) -> None:
    page = page_as("scorecards")
    here = page.locator("[data-room=scorecards]")
    here.get_by_text("Architecture").wait_for()
    assert "qwen3" in here.locator(".facts").inner_text()
    here.get_by_label("Model").select_option("board-last")
    row = here.get_by_role("listitem").filter(has_text="mmlu · acc").first
    row.wait_for()
    assert "0.25" in row.inner_text() and "no better than guessing" in row.inner_text()
    low, dot, high = row.evaluate(
        """row => [row.querySelector('.whisker').x1, row.querySelector('circle').cx, row.querySelector('.whisker').x2]
                  .map(length => length.baseVal.value)"""
    )
    assert low < dot < high
    look(page, "scorecards-en")
    here.get_by_role("button", name="Table").click()
    assert here.locator("table tbody tr").count() == 2 and "run r" in here.locator("table").inner_text()


def test_the_board_says_who_could_be_first(page_as: Callable[..., Any], look: Callable[[Any, str], None]) -> None:
    page = page_as("scorecards/board", locale="zh-CN")
    here = page.locator("[data-room=scorecards]")
    board = here.locator("figure").filter(has_text="mmlu · acc").first
    board.wait_for()
    assert board.locator(".ivl.strong").all_inner_texts() != []
    assert "board-first" in board.locator(".ivl.strong").inner_text()
    assert "第 1 名" in board.inner_text() and "第 2 名" in board.inner_text()
    look(page, "leaderboard-zh")
    here.get_by_label("模型、套件、数据或指标").fill("没有这个")
    here.get_by_text("没有表同时含有这些词。").wait_for()


def test_both_fit_a_phone(page_as: Callable[..., Any], look: Callable[[Any, str], None]) -> None:
    page = page_as("scorecards/board", **PHONE)
    page.locator("[data-room=scorecards] figure").first.wait_for()
    look(page, "leaderboard-phone-en")
    page.get_by_role("link", name="Scorecards").click()
    page.get_by_text("Architecture").wait_for()
    page.get_by_label("Model").select_option("board-first")
    page.get_by_role("listitem").first.wait_for()
    look(page, "scorecards-phone-en")
