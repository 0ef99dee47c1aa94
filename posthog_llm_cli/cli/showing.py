"""What people see of a run: what is said before it, how it goes, and the report at its end."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Self

from posthog_llm_cli.cli.progress import Gauge, Teller, bar, show_cursor
from posthog_llm_cli.cli.talk import Talk, data_stream, print_data, talk_stream
from posthog_llm_cli.cli.watcher import Watcher
from posthog_llm_cli.config.display import read_display
from posthog_llm_cli.config.settings import Settings
from posthog_llm_cli.deadletter import DeadLetterFile, NoDeadLetters
from posthog_llm_cli.errors import ExitCode, PlhError
from posthog_llm_cli.pipeline import Stop
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.report.json import render_json
from posthog_llm_cli.report.next_steps import CommandLine, next_steps
from posthog_llm_cli.report.terminal import problems, status_line, summary

if TYPE_CHECKING:
    from posthog_llm_cli.preview.figures import Forecast, Preview

_MOST_SHOWN = 20
_SHOWN_REJECTIONS = {Mode.VALIDATE: None, Mode.PREVIEW: 3}


@dataclass(frozen=True, slots=True)
class Showing:
    """One run for the person in front of it: `report` is what is shown, `out` where data go that are no events (None:
    none do)."""

    settings: Settings
    report: RunReport
    talk: Talk
    out: BinaryIO | None

    @classmethod
    def of(cls, settings: Settings, report: RunReport) -> Self:
        """Return what shows a run on this process's streams. Raises: ConfigError where stdout is needed and closed."""
        return cls(
            settings, report, Talk(sys.stderr, read_display(), quiet=settings.quiet), _out(settings, report.mode)
        )

    # -------------------------------------------------------------------------------------------------------- before it

    @contextmanager
    def dated(self) -> Iterator[None]:
        """Say when a quiet run ended before its end: cron's mails and logs that are added to have no other time."""
        try:
            yield
        except PlhError:
            if self.settings.quiet:
                self.talk.error(_now_and(f"{Mode.SEND.value}: ended early"))
            raise

    def warn(self, ledger_warning: str | None) -> None:
        """Say before anything is sent what may be wrong; on the legacy routes a typo in a key looks like success."""
        if ledger_warning is not None:
            self.talk.say(f"warning: {ledger_warning}")
        key = self.settings.api_key
        if key is not None and not key.startswith("phc_"):
            masked = self.settings.masked_key
            self.talk.say(f"warning: the key {masked} does not begin with phc_, as project keys do [odd-api-key]")

    # ---------------------------------------------------------------------------------------------------- while it goes

    @contextmanager
    def watched(self, gauge: Gauge, teller: Teller, stop: Stop) -> Iterator[Watcher]:
        """Show how the run goes, and at its end what was not shown."""
        mode = self.report.mode
        has_bar = self.talk.moves_cursor and not self.settings.quiet and not _prints_there(mode)
        shown: AbstractContextManager[None] = bar(self.talk, gauge) if has_bar else nullcontext()
        cleaning: AbstractContextManager[None] = stop.at_once(show_cursor) if has_bar else nullcontext()
        most = _SHOWN_REJECTIONS.get(mode, _MOST_SHOWN)
        with cleaning, shown, teller.of(gauge, is_regular=not has_bar):
            watcher = Watcher(self.talk, gauge, most=most, routes=self.settings.verbose)
            yield watcher
            watcher.finish()

    # ------------------------------------------------------------------------------------------------------- at its end

    def warn_of_other_ids(self, calls: int) -> None:
        """Say how many calls an earlier run sent under another distinct id, if any."""
        if calls and not self.settings.json:
            self.talk.say(
                f"warning: {calls:,} of the calls already sent went out under another --distinct-id; "
                "they are not sent again, for under the id of now they would be second events"
            )

    def foretell(self, forecast: "Forecast") -> None:
        """Open a rehearsal's summary with what the send will do."""
        from posthog_llm_cli.preview.forecast_text import forecast_lines  # noqa: PLC0415 - for rehearsals only

        if not self.settings.json:
            self.talk.say(*forecast_lines(forecast, self.talk.width))

    def preview(self, preview: "Preview") -> None:
        """Print a preview, below the summary where a person reads it."""
        from posthog_llm_cli.cli.previews import show_preview  # noqa: PLC0415 - for previews only

        if not self.settings.json:
            self._summarise()
        show_preview(preview, self.settings, exit_code=int(self.report.exit_code), out=self.out)

    def finish(self, letters: DeadLetterFile | NoDeadLetters, typed: CommandLine) -> int:
        """Print the report, and return the exit code. A preview has shown its own.

        `typed` is the command as it may be typed again.
        """
        report, is_preview = self.report, self.report.mode is Mode.PREVIEW
        if self.settings.quiet and report.exit_code is not ExitCode.OK:
            self.talk.error(_now_and(f"{report.mode.value}: exit {report.exit_code}, {status_line(report)}"))
        if not self.settings.json and not is_preview:
            self._summarise()
        for problem in problems(report):
            self.talk.error(problem.message, problem.hint)
        if letters.failure is not None:
            kept = "still in the sources, and not in the dead-letter file: send them again when it can be written"
            self.talk.error(letters.failure.message, f"{letters.unwritten:,} rejected records are {kept}")
        self._tell_steps(typed, adds_letters=letters.added_to is not None)
        if self.settings.json and not is_preview:
            print_data(render_json(report), self.out)
        return int(report.exit_code)

    def _summarise(self) -> None:
        self.talk.say(*summary(self.report, every_warning=self.settings.verbose, width=self.talk.width))

    def _tell_steps(self, typed: CommandLine, *, adds_letters: bool) -> None:
        """Say what to run next; whoever wants the report as JSON only where something went wrong."""
        if self.settings.json and self.report.exit_code is ExitCode.OK:
            return
        keeps_ledger = self.settings.ledger is not None
        for step in next_steps(self.report, typed, keeps_ledger=keeps_ledger, adds_letters=adds_letters):
            self.talk.say(f"next: {step.why}", *(() if step.command is None else (f"  {step.command}",)))


def _out(settings: Settings, mode: Mode) -> BinaryIO | None:
    """Return where a preview or the report of `--json` goes; with `--mock` stdout is events."""
    if mode is Mode.PREVIEW:
        return data_stream()
    if not settings.json:
        return None
    return talk_stream() if mode is Mode.MOCK else data_stream()


def _prints_there(mode: Mode) -> bool:
    """Whether events go to a terminal, where a bar would stand in their way."""
    return mode is Mode.MOCK and sys.stdout is not None and sys.stdout.isatty()


def _now_and(line: str) -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}"
