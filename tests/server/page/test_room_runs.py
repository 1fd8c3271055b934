"""The room Runs in a real browser: a real training run is watched, stopped and resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.server.home import training
from tests.server.page.screens import NEEDS_BROWSER, PHONE
from tests.serving import Served

pytestmark = NEEDS_BROWSER

STEPS = 3000


def begun(site: Served) -> str:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        for run in site.http.get("/api/runs").json()["runs"]:
            if run["state"] == "running" and run["step"]:
                return str(run["run"])
        time.sleep(0.2)
    raise AssertionError("the run did not begin")


def test_a_run_is_watched_stopped_and_resumed(
    page_as: Callable[..., Any], look: Callable[[Any, str], None], site: Served
) -> None:
    process = training(site.home, STEPS)
    try:
        run = begun(site)
        page = page_as("runs")
        here = page.locator("[data-room=runs]")
        here.get_by_role("link", name=run).click()
        curve = here.locator("figure").first
        curve.locator(".series.first path").wait_for()
        length = "path => path.getAttribute('d').split('L').length"
        before = curve.locator(".series.first path").evaluate(length)
        page.wait_for_function(
            "before => document.querySelector('.series.first path').getAttribute('d').split('L').length > before + 5",
            arg=before,
        )
        look(page, "runs-live-en")
        here.get_by_role("button", name="Stop").click()
        here.locator("h2 [data-state=stopped]").wait_for()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    done = site.http.get(f"/api/runs/{run}").json()["step"]
    here.get_by_label("Steps in all").fill(str(done + 10))
    here.get_by_role("button", name="Resume").click()
    here.locator("h2 [data-state=running]").wait_for()
    here.locator("h2 [data-state=done]").wait_for()
    assert f"{done + 10:,} / {done + 10:,}" in here.locator(".facts").inner_text()
    curve.get_by_role("button", name="Table").click()
    assert curve.locator("tbody tr").first.inner_text().split("\t")[0] == f"{done + 10:,}"
    _point(page, here)
    _in_chinese(page_as, look, run)


def _point(page: Any, here: Any) -> None:
    """Keys and pointer pick a step."""
    plot = here.locator(".plot svg").last
    plot.focus()
    page.keyboard.press("ArrowRight")
    readout = here.locator(".plot .readout").last
    first = readout.inner_text()
    page.keyboard.press("ArrowRight")
    assert readout.inner_text() != first and "step 2" in readout.inner_text()
    plot.hover()
    assert "step 2" not in readout.inner_text().splitlines()[-1].split() and "step" in readout.inner_text()


def _in_chinese(page_as: Callable[..., Any], look: Callable[[Any, str], None], run: str) -> None:
    for how, name in (({}, "runs-zh"), (PHONE, "runs-zh-phone")):
        page = page_as(f"runs/{run}", locale="zh-CN", **how)
        page.locator("[data-room=runs] figure").first.wait_for()
        assert "预训练" in page.locator("[data-room=runs]").inner_text()
        look(page, name)


def test_a_run_that_is_none(page_as: Callable[..., Any]) -> None:
    page = page_as("runs/r000000000")
    page.locator("[data-room=runs]").get_by_role("alert").wait_for()
    assert "no run named" in page.locator("[data-room=runs]").get_by_role("alert").inner_text()


RUN: dict[str, Any] = {
    "run": "r1se5m3yb", "kind": "pretrain", "model": "tiny", "state": "stopped", "message": "", "started": 1.7e9,
    "finished": 1.7e9 + 90, "can_stop": False, "can_resume": True, "step": 40, "steps": 100, "loss": 2.5, "joules": 1.0,
}  # fmt: skip
DETAIL: dict[str, Any] = {
    **RUN, "recipe": {}, "result": {}, "scores": [], "run_version": "1", "points": 1, "cursor": "1-1", "words": "",
    "curves": {
        "steps": [{"step": 40, "loss": 2.5, "tokens": 10, "tokens_per_second": 1.0, "joules": 1.0}],
        "evals": [{"step": 40, "valid_loss": 2.5, "bits_per_byte": 1.0, "samples": ["墨" * 20_000]}],
    },
}  # fmt: skip


def test_a_row_leads_to_its_run_and_leaves_links_and_words_alone(
    page_as: Callable[..., Any], look: Callable[[Any, str], None]
) -> None:
    page = page_as("chat", locale="zh-CN", **PHONE)
    page.route("**/api/runs?*", lambda route: route.fulfill(json={"runs": [RUN]}))
    page.goto(page.url.replace("#/chat", "#/runs"))
    row = page.locator("[data-room=runs] tbody tr")
    row.wait_for()
    assert row.bounding_box()["height"] < 60  # one line
    look(page, "runs-list-zh-phone")
    page.set_viewport_size({"width": 1300, "height": 800})
    with page.context.expect_page() as tab:
        row.get_by_role("link").click(modifiers=["Control"])
    tab.value.close()
    model = row.locator(".run-model").bounding_box()
    page.mouse.move(model["x"] + 1, model["y"] + 10)
    page.mouse.down()
    page.mouse.move(model["x"] + model["width"], model["y"] + 10)
    page.mouse.up()
    assert page.evaluate("String(getSelection())") == "tiny"
    page.wait_for_timeout(100)
    assert page.url.endswith("#/runs")
    page.route("**/api/runs/*", lambda route: route.fulfill(json=DETAIL))
    row.locator("td").nth(2).click()
    page.locator("[data-run]").wait_for()


def test_what_it_wrote_scrolls_and_fewer_steps_are_not_asked_for(page_as: Callable[..., Any]) -> None:
    page = page_as()
    page.route("**/api/runs/*", lambda route: route.fulfill(json=DETAIL))
    asked: list[str] = []
    page.route("**/resume", lambda route: (asked.append(route.request.post_data), route.fulfill(status=202, json=RUN)))
    page.goto(page.url.replace("#/chat", "#/runs/r1se5m3yb"))
    here = page.locator("[data-room=runs]")
    assert here.get_by_role("region", name="What it wrote at step 40").bounding_box()["height"] < 400
    here.get_by_label("Steps in all").fill("40")
    here.get_by_role("button", name="Resume").click()
    assert here.get_by_label("Steps in all").evaluate("e => e.validity.rangeUnderflow") and asked == []
    here.get_by_label("Steps in all").fill("41")
    here.get_by_role("button", name="Resume").click()
    page.get_by_text("It goes on from its newest checkpoint.").wait_for()
    assert asked == ['{"steps":41}']


def test_a_connection_that_is_back_is_no_longer_told_of_as_lost(page_as: Callable[..., Any]) -> None:
    page = page_as()
    running = {**DETAIL, "state": "running", "can_resume": False}
    page.route("**/api/runs/*", lambda route: route.fulfill(json=running))
    page.route("**/events?*", lambda route: route.abort())
    page.goto(page.url.replace("#/chat", "#/runs/r1se5m3yb"))
    page.get_by_text("The connection to the run was lost").wait_for()
    page.unroute("**/events?*")
    page.route("**/events?*", lambda route: None)  # it is there, and nothing new happens
    page.get_by_text("The connection to the run was lost").wait_for(state="detached")
