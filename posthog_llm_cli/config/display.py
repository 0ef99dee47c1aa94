"""What the environment wishes of terminal output (https://no-color.org, https://force-color.org)."""

import os
from collections.abc import Mapping

from posthog_llm_cli.values import Value


class Display(Value, frozen=True):
    """Wishes only; whether there is a terminal is asked of the stream.

    `colour` None: as the terminal is. `dumb`: the terminal moves no cursor.
    """

    colour: bool | None
    dumb: bool


def read_display(environ: Mapping[str, str] = os.environ) -> Display:
    """Return what NO_COLOR, FORCE_COLOR and TERM=dumb ask for; the first of them wins."""
    dumb = environ.get("TERM", "").lower() in {"", "dumb", "unknown"}
    if environ.get("NO_COLOR"):
        return Display(colour=False, dumb=dumb)
    if environ.get("FORCE_COLOR"):
        return Display(colour=True, dumb=dumb)
    return Display(colour=False if dumb else None, dumb=dumb)
