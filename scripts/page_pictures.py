"""Draws the README's pictures of the page: the real `plh preview --html` over samples/, in a browser without a window.

usage: python -m scripts.page_pictures
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

from scripts.chromium import executable, flags
from scripts.pictures import PICTURES, ROOT, write_log

_CALLS = 300
_Theme = Literal["light", "dark"]
_THEMES: tuple[_Theme, ...] = ("light", "dark")
NAMES = tuple(f"page-{theme}.png" for theme in _THEMES)


def make_page(home: Path) -> Path:
    """Write a log like the sample's and the samples beside it, and return the page of all of them."""
    write_log(home / "app.jsonl", _CALLS)
    shutil.copytree(ROOT / "samples", home / "samples")
    command = ("preview", "--quiet", "--json", "--no-ledger", "--html", "report.html", "app.jsonl", "samples/*.jsonl")
    done = subprocess.run(
        [sys.executable, "-m", "posthog_llm_cli", *command],
        cwd=home,
        env={"HOME": str(home), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    page = home / "report.html"
    if not page.exists():
        sys.exit(done.stderr.decode())
    return page


def draw(browser: Browser, page: Path) -> None:
    """Take a picture of its top, in light and in dark."""
    for theme in _THEMES:
        name = f"page-{theme}.png"
        with browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=theme) as context:
            opened = context.new_page()
            opened.goto(page.as_uri())
            opened.wait_for_selector("html[data-ready]")
            opened.wait_for_timeout(500)  # the plots grow
            opened.screenshot(path=PICTURES / name)
        sys.stdout.write(f"{(PICTURES / name).relative_to(ROOT)}: drawn\n")


def main() -> int:
    """Draw them."""
    path = executable()
    if path is None:
        sys.exit("error: expected a Chromium and found none\nhint: make browser")
    with tempfile.TemporaryDirectory(prefix="plh-pictures-") as folder, sync_playwright() as driver:
        page = make_page(Path(folder))
        browser = driver.chromium.launch(executable_path=path, args=flags())
        try:
            draw(browser, page)
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
