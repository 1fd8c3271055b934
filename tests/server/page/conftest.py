"""A running server and a real browser for the page's rooms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.browser import CHROMIUM
from tests.serving import Served, serving

MODELS = ("mini", "echo=mock:echo", "slow=mock:slow", "broken=mock:fail-500")
SHOTS = os.environ.get("PAGE_SHOTS")
"""A folder: each look at a room is then kept there as a picture."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all rooms: ``mini``, and models whose answers are known."""
    flags = [word for model in MODELS for word in ("--model", model)]
    with serving(tmp_path_factory.mktemp("home"), *flags) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright: for one module, as its event loop runs in this thread until it is closed."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install 'sibao[dev]')")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page_as(browser: Any, site: Served) -> Iterator[Callable[..., Any]]:
    """Open the page as somebody: a language, a screen, a taste. At the end nothing may have gone wrong in the browser, and
    nothing been asked of another host."""
    contexts, complaints, asked = [], [], []

    def open_as(room: str = "chat", url: str = site.url, locale: str = "en-US", **how: Any) -> Any:
        context = browser.new_context(locale=locale, **how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type in ("error", "warning") and complaints.append(said.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{url}/#/{room}")
        page.locator(".version", has_text=".").wait_for()  # the server has said what it has
        return page

    yield open_as
    for context in contexts:
        context.close()
    # a refused request is part of some tests; Chromium writes each to its console
    assert [said for said in complaints if not said.startswith("Failed to load resource")] == []
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:image"))] == []


@pytest.fixture
def page(page_as: Callable[..., Any]) -> Any:
    """The page in English on a wide screen."""
    return page_as()


@pytest.fixture
def look(request: pytest.FixtureRequest) -> Callable[[Any, str], None]:
    """Look at a page: nothing sticks out at the side. ``PAGE_SHOTS`` keeps the picture."""

    def _look(page: Any, name: str) -> None:
        wide, screen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= screen, f"{name} is {wide} wide on a screen of {screen}"
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / f"{name}.png")

    return _look
