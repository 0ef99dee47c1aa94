"""How far a run is: a bar on a terminal, one dated line a minute elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from posthog_llm_cli.cli.talk import Talk
from posthog_llm_cli.report import RunReport
from posthog_llm_cli.report.terminal import status_line

Update = Callable[[RunReport], None]

_EVERY_S = 60.0
_FRAMES_PER_S = 5
_SHOW_CURSOR = b"\x1b[?25h"


class StatusLines:
    """Prints a dated line of counts, a minute after the last one."""

    def __init__(self, talk: Talk, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._talk = talk
        self._monotonic = monotonic
        self._next_s = monotonic() + _EVERY_S

    def __call__(self, report: RunReport) -> None:
        """Print a line if it is time."""
        now_s = self._monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _EVERY_S
            self._talk.say(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {status_line(report)}")


@contextmanager
def bar(talk: Talk, *, total: int | None, read_so_far: Callable[[], int]) -> Iterator[Update]:
    """Show a bar by bytes read, or a spinner where their number is not known, until the context ends."""
    from rich.console import Console  # noqa: PLC0415 - loaded only where there is a terminal to draw on
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=sys.stderr, force_terminal=True, no_color=not talk.colour, highlight=False)
    counts = TextColumn("{task.fields[counts]}", markup=False)
    columns = (SpinnerColumn(), counts) if total is None else (BarColumn(), TaskProgressColumn(), counts)
    progress = Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        refresh_per_second=_FRAMES_PER_S,
    )
    task = progress.add_task("", total=total, counts="")

    def update(report: RunReport) -> None:
        progress.update(task, completed=read_so_far(), counts=status_line(report))

    talk.through = lambda line: console.print(Text.from_ansi(line), soft_wrap=True)
    try:
        with progress:
            yield update
    finally:
        talk.through = None


def show_cursor() -> None:
    """Give the terminal its cursor back, from inside a signal handler."""
    os.write(2, _SHOW_CURSOR)
