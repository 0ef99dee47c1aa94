"""A run from its settings to its exit code: made by `wiring`, shown by `showing`."""

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from posthog_llm_cli import pipeline
from posthog_llm_cli.cli.progress import Gauge, Retries, Teller
from posthog_llm_cli.cli.question import confirm
from posthog_llm_cli.cli.showing import Showing
from posthog_llm_cli.cli.survey import Survey, survey
from posthog_llm_cli.cli.wiring import (
    AnyLedger,
    files_written,
    new_deliverer,
    new_report,
    open_ledger,
    plan_of,
    reader_of,
)
from posthog_llm_cli.config.resolution import require_key
from posthog_llm_cli.config.settings import Settings
from posthog_llm_cli.deadletter import DeadLetterFile, NoDeadLetters, plan_file
from posthog_llm_cli.errors import ExitCode, LedgerError
from posthog_llm_cli.ledger import NoLedger
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.report.json import render_json
from posthog_llm_cli.report.next_steps import CommandLine
from posthog_llm_cli.transport import Rehearsal

if TYPE_CHECKING:
    from posthog_llm_cli.preview.figures import Forecast
    from posthog_llm_cli.preview.forecasting import ForecastFold


def send_run(specs: Sequence[str], settings: Settings, typed: CommandLine, *, now: datetime) -> int:
    """Run `plh send` in the mode that the settings name, and return its exit code.

    `typed` is the command as it may be typed again. Raises: ConfigError.
    """
    mode = Mode.DRY_RUN if settings.dry_run else Mode.MOCK if settings.mock else Mode.SEND
    if mode is Mode.SEND:
        require_key(settings)
    report = new_report(settings, mode)
    showing = Showing.of(settings, report)
    letters = plan_file(settings.dead_letter, now, specs=specs) if mode is Mode.SEND else NoDeadLetters()
    stop = pipeline.Stop()
    with ExitStack() as until_told:
        with (
            showing.dated(),
            Teller(showing.talk, mode) as teller,
            closing(open_ledger(settings, report, showing.talk, now=now)) as ledger,
            closing(survey(specs, written=files_written(settings, mode, letters.added_to))) as sources,
        ):
            if mode is Mode.SEND:
                showing.warn(ledger.warning)
                confirm(settings, sources, showing.talk, lambda: _look(sources, settings, now=now))
            # Once all is settled, a signal takes neither the run's end in the ledger nor its report.
            until_told.enter_context(stop.installed())
            ledger.begin()
            fold = _new_fold(settings, now=now) if mode is Mode.DRY_RUN else None
            _deliver(sources, showing, letters, ledger, teller, stop, now=now, onlooker=fold)
            _remember(ledger, report, letters)
            showing.warn_of_other_ids(ledger.other_distinct_id)
        if fold is not None:
            showing.foretell(_foretold(fold, settings, report))
        return showing.finish(letters, typed)


def validate_run(specs: Sequence[str], settings: Settings, typed: CommandLine, *, now: datetime) -> int:
    """Run `plh validate`, and return its exit code. Raises: ConfigError."""
    showing = Showing.of(settings, new_report(settings, Mode.VALIDATE))
    with Teller(showing.talk, Mode.VALIDATE) as teller, closing(survey(specs, written=())) as sources:
        _validate(sources, showing, teller, now=now)
    return showing.finish(NoDeadLetters(), typed)


def preview_run(
    specs: Sequence[str], settings: Settings, typed: CommandLine, *, now: datetime, html: Path | None = None
) -> int:
    """Run `plh preview`, and return its exit code; `html` is where a page goes. Raises: ConfigError, LedgerError."""
    from posthog_llm_cli.cli.pages import page_maker  # noqa: PLC0415 - for previews only
    from posthog_llm_cli.cli.previews import rate_of  # noqa: PLC0415 - the same
    from posthog_llm_cli.preview.folding import PreviewFold  # noqa: PLC0415 - the same, and its sketches

    report = new_report(settings, Mode.PREVIEW)
    showing = Showing.of(settings, report)
    with (
        Teller(showing.talk, Mode.PREVIEW) as teller,
        page_maker(html, specs, showing.talk) as page,
        closing(open_ledger(settings, report, showing.talk, now=now)) as ledger,
        closing(survey(specs, written=() if html is None else (html,))) as sources,
    ):
        fold = PreviewFold(now=now, takes=Rehearsal(settings.endpoint).takes, content=page)
        _validate(sources, showing, teller, now=now, ledger=ledger, onlooker=fold)
        rate = rate_of(settings, report, events=report.accepted + report.already_sent)
        preview = fold.preview(report, rate)
        showing.preview(preview)
        if page is not None and (report.records or report.exit_code is ExitCode.OK):
            page.write(preview, made_at=now, is_private=settings.privacy_mode)
        elif page is not None:
            showing.talk.say(f"no page: nothing could be read, and {html} is not touched")
    return showing.finish(NoDeadLetters(), typed)


# --------------------------------------------------------------------------------------------------------- the pipeline


def _deliver(
    sources: Survey,
    showing: Showing,
    letters: DeadLetterFile | NoDeadLetters,
    ledger: AnyLedger,
    teller: Teller,
    stop: pipeline.Stop,
    *,
    now: datetime,
    onlooker: pipeline.Onlooker | None,
) -> None:
    """Run the pipeline; the report says what became of everything."""
    settings, report = showing.settings, showing.report
    plan = plan_of(settings, report, now=now)
    memory = None if isinstance(ledger, NoLedger) else ledger
    reader = reader_of(sources.specs, settings, stop.should_stop, memory=memory)
    retries = Retries()
    deliverer, loads = new_deliverer(settings, report.mode, showing.talk, retries)
    gauge = Gauge(total=sources.size, read_so_far=lambda: reader.raw_bytes_read, retries=retries, loads=loads)
    with (
        closing(letters),
        closing(deliverer),
        showing.watched(gauge, teller, stop) as watcher,
    ):
        pipeline.send(
            reader,
            plan,
            deliverer=deliverer,
            dead_letters=letters,
            ledger=ledger,
            report=report,
            observer=watcher,
            stop=stop,
            onlooker=onlooker,
        )


def _validate(
    sources: Survey,
    showing: Showing,
    teller: Teller,
    *,
    now: datetime,
    ledger: AnyLedger | None = None,
    onlooker: pipeline.Onlooker | None = None,
) -> None:
    """Read and convert everything, and deliver nothing."""
    settings, report = showing.settings, showing.report
    stop = pipeline.Stop()
    plan = plan_of(settings, report, now=now)
    reader = reader_of(sources.specs, settings, stop.should_stop)
    gauge = Gauge(total=sources.size, read_so_far=lambda: reader.raw_bytes_read)
    with stop.installed(), showing.watched(gauge, teller, stop) as watcher:
        pipeline.validate(reader, plan, report=report, observer=watcher, stop=stop, ledger=ledger, onlooker=onlooker)


def _remember(ledger: AnyLedger, report: RunReport, letters: DeadLetterFile | NoDeadLetters) -> None:
    """Complete the report with what only the end tells, and have the ledger keep it."""
    if letters.path is not None and letters.count:
        report.dead_letter = os.fsencode(letters.path).decode(errors="replace")
    report.letters_unwritten = letters.unwritten
    if report.ledger_error is None:
        try:
            ended_at = datetime.now(UTC)
            ledger.end(render_json(report).decode(), exit_code=int(report.exit_code), ended_at=ended_at)
        except LedgerError as error:
            report.ledger_error = error


# --------------------------------------------------------------------------------------------------------- the forecast


def _look(sources: Survey, settings: Settings, *, now: datetime) -> "Forecast | None":
    from posthog_llm_cli.cli.lookahead import look_ahead  # noqa: PLC0415 - only where a person is asked

    return look_ahead(sources, settings, now=now)


def _new_fold(settings: Settings, *, now: datetime) -> "ForecastFold":
    from posthog_llm_cli.preview.forecasting import ForecastFold  # noqa: PLC0415 - for rehearsals only

    return ForecastFold(now=now, takes=Rehearsal(settings.endpoint).takes)


def _foretold(fold: "ForecastFold", settings: Settings, report: RunReport) -> "Forecast":
    """Return what the send will do, which the report has from now on."""
    from posthog_llm_cli.cli.previews import rate_of  # noqa: PLC0415 - for rehearsals only
    from posthog_llm_cli.preview.json import as_dict  # noqa: PLC0415 - the same

    rate = rate_of(settings, report, events=report.accepted)
    forecast = fold.forecast(rate, already_read=report.already_read.records)
    report.forecast = as_dict(forecast)
    return forecast
