"""Previews and forecasts on their way to the reader, and how quick earlier sends were."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from posthog_llm_cli.cli.talk import Talk, print_data
from posthog_llm_cli.config.display import Display, read_display
from posthog_llm_cli.config.settings import Settings
from posthog_llm_cli.errors import PlhError
from posthog_llm_cli.ledger import reading
from posthog_llm_cli.preview.figures import Preview, Rate
from posthog_llm_cli.preview.forecasting import expected_rate
from posthog_llm_cli.report import Mode, RunReport

_RUNS = 20
_WIDTH = 80
_MOST_WIDTH = 160


def show_preview(preview: Preview, settings: Settings, *, exit_code: int, out: BinaryIO | None) -> None:
    """Print a preview on stdout, as JSON or for the terminal that stdout is, or that stderr is (`| less`)."""
    if settings.json:
        from posthog_llm_cli.preview.json import render_json  # noqa: PLC0415 - one of the two is needed

        print_data(render_json(preview, exit_code=exit_code), out)
        return
    from posthog_llm_cli.preview.terminal import render  # noqa: PLC0415 - rich, where it is drawn with

    display = read_display()
    print_data(render(preview, width=width_of(display), colour=Talk(sys.stdout, display).colour).encode(), out)


def width_of(display: Display) -> int:
    """Return how wide a page may be: as the terminal that stdout is, or that stderr is (`| less`); else 80 columns."""
    widths = (Talk(stream, display).width for stream in (sys.stdout, sys.stderr))
    return min(next((width for width in widths if width is not None), _WIDTH), _MOST_WIDTH)


def rate_of(settings: Settings, report: RunReport, *, events: int) -> Rate | None:
    """Return how many events a second are to be expected, by earlier sends or by this run's conversion."""
    return expected_rate(
        _earlier_sends(settings), events=events, elapsed_s=report.elapsed_s, rate_limit=settings.rate_limit
    )


def _earlier_sends(settings: Settings) -> Iterator[tuple[int, float]]:
    """Yield events accepted and seconds of the last sends that the ledger kept a report of."""
    if settings.ledger is None:
        return
    with suppress(PlhError):  # no ledger yet, or none that can be read: the run itself tells of that
        for run in reading.runs(settings.ledger, most=_RUNS):
            report = run.report
            if report is not None and report.get("mode") == Mode.SEND:
                yield int(report["accepted"]), float(report["elapsed_s"])
