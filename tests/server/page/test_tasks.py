"""Tasks in a real browser: translate, answer, summarize, write."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.server.page.screens import NEEDS_BROWSER, PHONE

from sibao.tasks import answer as answer_task

pytestmark = NEEDS_BROWSER

PASSAGE = "造纸术在汉代发明。𠮷田先生说，蔡伦改进了它。"


def part(page: Any, name: str) -> Any:
    return page.locator(f"[data-part={name}]")


def choose(page: Any, model: str) -> None:
    page.locator("[data-room=tasks] .task-model select").select_option(model)


def done(where: Any) -> Any:
    """What the task took, once it is done."""
    where.locator(".small.n").wait_for()
    return where.locator(".small.n")


def bodies(page: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page.on("request", lambda request: "/v1/tasks/" in request.url and found.append(json.loads(request.post_data)))
    return found


def test_mini_translates_both_ways(page_as: Callable[..., Any], look: Callable[[Any, str], None]) -> None:
    page = page_as("tasks/translate")
    here, sent = part(page, "translate"), bodies(page)
    here.locator("textarea").fill("今天天气很好。")
    here.locator("textarea").press("Control+Enter")
    assert "tokens written" in done(here).inner_text()
    english = here.locator(".sheet").inner_text()
    assert english.strip() and "appears here" not in english
    look(page, "tasks-translate-en")
    here.get_by_label("Swap the languages").click()
    assert here.locator("h2").all_inner_texts() == ["English", "Chinese"]
    assert here.locator("textarea").input_value() == english
    here.get_by_role("button", name="Translate").click()
    done(here)
    assert [(body["from"], body["to"]) for body in sent] == [("zh", "en"), ("en", "zh")]


def test_what_was_done_to_fit_the_text_is_told_in_chinese(page_as: Callable[..., Any]) -> None:
    notes = ["the text was translated in 9 pieces", "1 of 9 calls stopped at the limit of new tokens", "something new"]
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    result = {"text": "好", "finish_reason": "stop", "usage": usage, "seconds": 1, "notes": notes, "pieces": 9}
    said = f"data: {json.dumps({'result': result})}\n\ndata: [DONE]\n\n"
    page = page_as("tasks/translate", locale="zh-CN")
    page.route("**/v1/tasks/*", lambda route: route.fulfill(content_type="text/event-stream", body=said))
    here = part(page, "translate")
    here.locator("textarea").fill("你好。")
    here.get_by_role("button", name="翻译", exact=True).click()
    done(here)
    told = here.locator(".notes li").all_inner_texts()
    assert told == ["全文分 9 段翻译", "9 次调用中有 1 次到达新词元上限而停止", "something new"]


def test_the_answer_is_marked_in_its_passage(page_as: Callable[..., Any], look: Callable[[Any, str], None]) -> None:
    page = page_as("tasks/answer")
    here = part(page, "answer")
    here.get_by_label("Passage").fill(PASSAGE)
    here.get_by_label("Question").fill("谁改进了造纸术？")
    here.get_by_label("Question").press("Enter")
    done(here)
    answer = here.locator(".answer-text").inner_text()
    marked = here.locator("mark").all_inner_texts()
    assert marked == ([answer] if answer in PASSAGE else [])
    assert here.locator(".sheet").inner_text() == PASSAGE
    look(page, "tasks-answer-en")
    here.get_by_role("button", name="Change the passage").click()
    assert here.get_by_label("Passage").input_value() == PASSAGE


def test_a_span_counts_rare_characters_once(page_as: Callable[..., Any]) -> None:
    """Offsets are of code points: 𠮷 is one, though JavaScript counts two. ``echo`` answers with the first line of the prompt."""
    line = answer_task.PROMPT["zh"].split("\n")[0]
    passage = f"𠮷田先生说：{line}然后休息。"
    page = page_as("tasks/answer")
    choose(page, "echo")
    here = part(page, "answer")
    here.get_by_label("Passage").fill(passage)
    here.get_by_label("Question").fill("他说什么？")
    here.get_by_role("button", name="Answer").click()
    done(here)
    assert here.locator("mark").inner_text() == line == here.locator(".answer-text").inner_text()
    assert here.locator(".sheet").inner_text() == passage


def test_a_dropped_file_is_summarized_with_progress(
    page_as: Callable[..., Any], look: Callable[[Any, str], None]
) -> None:
    page = page_as("tasks/summarize")
    here = part(page, "summarize")
    text = "造纸术在汉代发明。蔡伦改进了它。纸由此传遍天下，书写从此轻便。" * 60
    drop(page, "[data-part=summarize] .drop", "纸.md", text)
    assert here.locator("textarea").input_value() == text
    assert "纸.md, 1,860 characters" in here.inner_text()
    here.get_by_role("button", name="Summarize").click()
    bar = here.locator("progress")
    bar.wait_for()
    here.get_by_text("Part ").wait_for()
    look(page, "tasks-summarize-progress-en")
    said = done(here)
    assert " parts" in said.inner_text() and here.locator(".sheet").inner_text().strip()
    assert bar.count() == 0
    look(page, "tasks-summarize-en")


def test_a_file_that_is_no_text_is_refused(page_as: Callable[..., Any]) -> None:
    page = page_as("tasks/summarize")
    here = part(page, "summarize")
    here.locator("input[type=file]").set_input_files(
        {"name": "a.txt", "mimeType": "text/plain", "buffer": "造纸术在汉代发明".encode("gbk")}
    )
    here.get_by_role("alert").wait_for()
    assert "a.txt:1: invalid UTF-8 at byte 0 of the line" in here.get_by_role("alert").inner_text()
    assert "GB18030" in here.get_by_role("alert").inner_text()
    assert here.get_by_role("button", name="Summarize").is_disabled()


def test_a_poem_is_written_in_a_form(page_as: Callable[..., Any], look: Callable[[Any, str], None]) -> None:
    page = page_as("tasks/write")
    here, sent = part(page, "write"), bodies(page)
    here.get_by_label("Form").select_option("poem")
    here.get_by_label("Style").select_option("五言")
    here.get_by_label("What about").fill("月")
    here.get_by_label("Most new tokens").fill("40")
    here.get_by_role("button", name="Write").click()
    done(here)
    assert here.locator(".sheet").inner_text().strip()
    assert sent == [
        {"model": "mini", "prompt": "月", "form": "poem", "style": "五言", "max_tokens": 40, "stream": True}
    ]
    look(page, "tasks-write-en")


def test_a_task_is_stopped(page_as: Callable[..., Any]) -> None:
    page = page_as("tasks/write")
    choose(page, "slow")
    here = part(page, "write")
    here.get_by_label("What about").fill("0123456789" * 20)
    here.get_by_role("button", name="Write").click()
    here.get_by_role("button", name="Stop").wait_for()
    page.keyboard.press("Escape")
    here.get_by_text("Stopped before the end.").wait_for()
    assert here.get_by_role("button", name="Write").is_enabled()


@pytest.mark.parametrize("name", ["translate", "answer", "summarize", "write"])
def test_tasks_in_chinese_on_a_phone(page_as: Callable[..., Any], look: Callable[[Any, str], None], name: str) -> None:
    page = page_as(f"tasks/{name}", locale="zh-CN", **PHONE)
    assert part(page, name).is_visible()
    assert page.locator(".tabs a").all_inner_texts() == ["翻译", "问答", "摘要", "写作"]
    look(page, f"tasks-{name}-zh-phone")


def drop(page: Any, where: str, name: str, text: str) -> None:
    """Drag a file onto a place, as a person does."""
    data = page.evaluate_handle(
        "([name, text]) => { const d = new DataTransfer(); d.items.add(new File([text], name)); return d }",
        [name, text],
    )
    page.dispatch_event(where, "dragover", {"dataTransfer": data})
    page.dispatch_event(where, "drop", {"dataTransfer": data})
    page.wait_for_timeout(200)
