"""A real browser for the page: Chromium without a window, which `make browser` installs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

from scripts.chromium import executable, flags

# Kept by the page's own document, so that what is refused after it was opened is seen too.
_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser; without one the test is skipped, but for CI, where it must be there."""
    path = executable()
    if path is None:
        reason = "no Chromium: `make browser` installs one, or PLH_CHROMIUM names it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=flags())
        try:
            yield running
        finally:
            running.close()


@dataclass
class Opened:
    """A page that was opened, and all that it did that it must not."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    refused: list[str | None] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        self.complaints.append(message.text)

    def fall(self, error: Error) -> None:
        self.complaints.append(str(error))

    def ask(self, request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.requests.append(request.url)

    def refuse(self, request: Request) -> None:
        self.refused.append(request.failure)

    def go(self, address: str) -> None:
        """Follow a link within the page."""
        self.page.evaluate("address => { location.hash = address; }", address)

    def text(self, selector: str) -> str:
        return " ".join(self.page.locator(selector).inner_text().split())

    def assert_quiet(self) -> None:
        """Nothing was complained of, refused or asked for over a network."""
        assert self.complaints == []
        assert self.requests == []
        assert self.page.evaluate("window.violations") == []


@contextmanager
def opened(
    running: Browser, path: Path, address: str = "", *, width: int = 1280, height: int = 800, scheme: str = "light"
) -> Iterator[Opened]:
    """A page in a context of its own, ready for use."""
    context = running.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    try:
        context.add_init_script(_VIOLATIONS)
        found = Opened(context.new_page())
        found.page.set_default_timeout(20_000)
        found.page.on("console", found.hear)
        found.page.on("pageerror", found.fall)
        found.page.on("request", found.ask)
        found.page.on("requestfailed", found.refuse)
        found.page.goto(f"{path.as_uri()}{address}")
        found.page.wait_for_selector("html[data-ready]")
        yield found
    finally:
        context.close()
