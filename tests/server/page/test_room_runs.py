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
