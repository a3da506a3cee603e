"""A browser for tests of pages."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

#: Without these Chromium asks hosts of its own for updates, which a closed network answers with refusals.
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Seen:
    """A page in a browser, and what it did.

    Attributes:
        page: Playwright's page.
        console: messages of the console and uncaught errors.
        requests: addresses that were asked for, other than the page itself.
    """

    page: object
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def open_chromium() -> Iterator[object]:
    """A headless Chromium of the system; None where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_QUIET))
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser: object, path: Path, *, width: int = 1280, mode: str = "light", height: int = 900) -> Iterator[Seen]:
    """A page of ours whose script has run."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=mode)
    seen = Seen(context.new_page())
    own = path.resolve().as_uri()
    seen.page.on("console", lambda message: seen.console.append(message.text))
    seen.page.on("pageerror", lambda error: seen.console.append(str(error)))
    seen.page.on("request", lambda asked: seen.requests.append(asked.url) if asked.url != own else None)
    try:
        seen.page.goto(own)
        seen.page.wait_for_selector("html[data-ready=yes]")
        yield seen
    finally:
        context.close()


def draw_all(page: object) -> None:
    """As printing does: everything is opened and drawn."""
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    # Not wait_for_function, which evaluates texts: a page of ours forbids that.
    page.wait_for_selector("[data-figure]:not([data-drawn=yes])", state="detached")


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def visit(chromium, missing: Callable[[str], NoReturn]) -> Iterator[Callable[..., Seen]]:
    """``visit(path, width=1280, mode="light")`` opens a page and waits until its script has run."""
    if chromium is None:
        missing("a browser: apt-get install chromium")
    with contextlib.ExitStack() as stack:
        yield lambda path, **options: stack.enter_context(opened(chromium, path, **options))
