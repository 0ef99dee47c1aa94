"""Where a Chromium is, for what looks at the page of a preview: its tests, and its pictures."""

import os
import shutil

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str | None:
    """Return what PLH_CHROMIUM says, else what is on the path; None where there is none."""
    told = os.environ.get("PLH_CHROMIUM")
    return told if told else next((found for name in NAMES if (found := shutil.which(name)) is not None), None)


def flags() -> list[str]:
    """Return what it is to be started with: it has no sandbox for root."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []
