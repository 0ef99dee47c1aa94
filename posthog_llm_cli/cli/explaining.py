"""`plh explain` from its settings to its exit code."""

import os
import sys
from collections.abc import Iterator
from datetime import datetime

import orjson

from posthog_llm_cli import pipeline
from posthog_llm_cli.cli.previews import width_of
from posthog_llm_cli.cli.talk import Talk, data_stream, print_data
from posthog_llm_cli.cli.wiring import plan_of, reader_of
from posthog_llm_cli.config.display import read_display
from posthog_llm_cli.config.settings import Settings
from posthog_llm_cli.errors import ConfigError, ExitCode
from posthog_llm_cli.explaining import Explanation, as_dict, explain
from posthog_llm_cli.explaining.terminal import render
from posthog_llm_cli.model import ConvertOptions
from posthog_llm_cli.pipeline.finding import Found, find
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.report.terminal import source_problem
from posthog_llm_cli.report.text import mask_keys

SCHEMA = "plh.explanation/1"
_STDIN = "-"


def explain_run(place: str, settings: Settings, *, now: datetime) -> int:
    """Run `plh explain`, and return its exit code. Raises: ConfigError where the place is none, or holds no record."""
    source, number = _parted(place)
    display, out, stop = read_display(), data_stream(), pipeline.Stop()
    talk = Talk(sys.stderr, display)
    plan = plan_of(settings, RunReport("explain", Mode.VALIDATE), now=now)
    with stop.installed():
        found = find(reader_of([source], settings, stop.should_stop), plan, number, stop=stop)
    if stop.signal is not None:
        return 128 + stop.signal
    for error in found.errors:
        talk.error(source_problem(error), error.hint)
    if not found.lines:
        if found.errors:
            return int(ExitCode.SOURCE)
        raise _no_line(source, number, found)
    outcomes: set[str] = set()
    explanations = _explained(found, plan.convert, outcomes)
    if settings.json:
        document = {"schema": SCHEMA, "records": [as_dict(explanation) for explanation in explanations]}
        print_data(mask_keys(orjson.dumps(document).decode()).encode() + b"\n", out)
    else:
        for text in render(explanations, width=width_of(display), colour=Talk(sys.stdout, display).colour):
            if not print_data(text.encode(), out):
                break
    return int(ExitCode.REJECTED if "rejected" in outcomes else ExitCode.OK)


def _explained(found: Found, options: ConvertOptions, outcomes: set[str]) -> Iterator[Explanation]:
    """Yield one explanation after the other, for a line may hold thousands of records; add what becomes of each."""
    for line in found.lines:
        for explanation in explain(line, options):
            outcomes.add(explanation.outcome)
            yield explanation


def _parted(place: str) -> tuple[str, int]:
    """Return the source and the number of the line."""
    source, _, number = place.rpartition(":")
    if not source or not (number.isascii() and number.isdecimal()) or int(number) < 1:
        raise ConfigError(
            f"{place}: expected SOURCE:LINE, a file and the number of a line in it", hint="plh explain app.jsonl:1204"
        )
    if source != _STDIN and os.path.isdir(source):  # noqa: PTH112 -- Path's raises where it may not look
        raise ConfigError(f"{source}: expected a file and found a directory", hint="name a file: logs/app.jsonl:12")
    return source, int(number)


def _no_line(source: str, number: int, found: Found) -> ConfigError:
    if found.begins_at is None:
        return ConfigError(f"{source}:{number}: expected a record and found none in the source before this line")
    return ConfigError(
        f"{source}:{number}: expected a record and found none on this line",
        hint=f"the last one before it begins on line {found.begins_at}",
    )
