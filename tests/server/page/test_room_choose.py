"""The room Choose in a real browser: a form, a race, the pick and its plot."""

from __future__ import annotations

import gzip
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


def _give(here: Any, name: str, content: bytes) -> Any:
    here.locator("input[type=file]").set_input_files({"name": name, "mimeType": "text/plain", "buffer": content})
    return here.get_by_role("alert")


def test_a_file_of_other_bytes_is_refused_with_words(page_as: Callable[..., Any]) -> None:
    page = page_as("choose")
    here = page.locator("[data-room=choose]")
    said = _give(here, "gbk.csv", "en,zh\nHi,你好\n".encode("gbk"))
    said.get_by_text("gbk.csv:2: invalid UTF-8 at byte 3 of the line").wait_for()
    assert "if the file is GB18030 or GBK: iconv -f GB18030 -t UTF-8 FILE > NEW" in said.inner_text()
    _give(here, "rows.jsonl.gz", gzip.compress(ROWS.encode())).get_by_text("is none of jsonl").wait_for()
    _give(here, "none.jsonl", b"").get_by_text("none.jsonl is empty.").wait_for()
    assert here.locator("[data-rows]").count() == 0
    assert here.get_by_role("button", name="Give advice").is_disabled()  # neither rows nor a need
    content = "text\n四宝\n".encode()
    _give(here, "good.csv", content)
    here.get_by_text(f"good.csv, {len(content)} B").wait_for()
    assert here.get_by_role("alert").count() == 0 and here.get_by_role("button", name="Start the race").is_enabled()


def test_a_double_click_starts_one_choice_and_the_last_one_is_gone(page_as: Callable[..., Any]) -> None:
    jobs = iter("12")
    state = {"state": "queued", "ahead": 1, "opening": "", "lanes": [], "seconds": 0, "result": None, "failure": None}
    sent: list[str] = []

    def started(route: Any) -> None:
        sent.append(route.request.post_data)
        job = next(jobs)
        route.fulfill(status=202, json={"job": job * 16}) if job == "1" else route.fulfill(
            status=400, json={"error": {"message": "rows.jsonl:1: nothing", "type": "DataError", "hint": ""}}
        )

    page = page_as("choose", locale="zh-CN")
    page.route("**/api/choose", started)
    failed = {
        "message": "the task cannot be told: no words",
        "hint": "name it with --task, or say more",
        "type": "BadInput",
    }
    page.route("**/api/choose/1*", lambda route: route.fulfill(json={"job": "1" * 16, **state}))
    here = page.locator("[data-room=choose]")
    here.locator(".candidate").nth(1).wait_for()
    here.get_by_label("用自己的话说说你要什么").fill("做点什么")
    here.get_by_role("button", name="给出建议").dblclick()
    here.get_by_text("排队中，前面还有 1 个。").wait_for()
    assert len(sent) == 1
    state |= {"state": "failed", "failure": failed}
    alert = here.get_by_role("alert")
    alert.wait_for()
    assert alert.inner_text().startswith("请求有误（the task cannot be told: no words）")
    assert "请在上面选择任务" in alert.inner_text() and "--task" not in alert.inner_text()
    here.get_by_role("button", name="给出建议").click()
    here.get_by_text("数据有误（rows.jsonl:1: nothing）").wait_for()
    assert alert.count() == 1 and len(sent) == 2  # the failure of the first is gone


def test_who_is_out_is_told_in_chinese(page_as: Callable[..., Any]) -> None:
    reasons = [
        ("answers", "an answer", "5 of 6 rows failed: no answer", "this race"),
        ("memory", "≤ 1 MB", "335 MB", "sibao fit: one request of 512 tokens in fp32"),
        ("opens", "a model that can be opened", "no such folder", "org/name"),
    ]
    keys = ("limit", "wanted", "got", "source")
    out = [{"name": "m", "unknown": False, **dict(zip(keys, one, strict=True))} for one in reasons]
    pick = {
        "name": None,
        "by": "nobody",
        "verdict": "best",
        "rivals": [],
        "weights": {},
        "unused": [],
        "front": [],
        "spans": {},
    }
    need = {"task": "translate", "why": "", "to": None}
    result = {"run": None, "task": "translate", "metric": "chrf", "need": need, "pick": pick, "candidates": {}}
    result |= {"excluded": out, "race": None, "advice": []}
    job = {"job": "2" * 16, "state": "done", "ahead": 0, "opening": "", "lanes": [], "seconds": 1, "failure": None}
    page = page_as("chat", locale="zh-CN")
    page.evaluate(f"localStorage.setItem('sibao.choose.job', '{'2' * 16}')")
    page.route("**/api/choose/2*", lambda route: route.fulfill(json={**job, "result": result}))
    page.goto(page.url.replace("#/chat", "#/choose"))
    page.reload()
    rows = page.locator("[data-outcome] tbody tr")
    rows.first.wait_for()
    assert [row.split("\t")[2:] for row in rows.all_inner_texts()] == [
        ["有回答", "6 行中有 5 行失败：no answer", "本次比赛"],
        ["≤ 1 MB", "335 MB", "sibao fit：一次 512 词元的请求，fp32"],
        ["能打开的模型", "no such folder", "org/name"],
    ]
