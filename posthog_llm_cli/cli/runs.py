"""A run from its settings to its exit code: the objects are made here and passed down."""

import os
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from posthog_llm_cli import pipeline
from posthog_llm_cli.chunking import Bounds
from posthog_llm_cli.cli.progress import Gauge, Retries, Teller, bar, show_cursor
from posthog_llm_cli.cli.question import confirm
from posthog_llm_cli.cli.survey import Survey, survey
from posthog_llm_cli.cli.talk import Talk, data_stream, print_data, talk_stream
from posthog_llm_cli.cli.watcher import Watcher
from posthog_llm_cli.config.display import read_display
from posthog_llm_cli.config.resolution import require_key
from posthog_llm_cli.config.settings import Settings
from posthog_llm_cli.deadletter import DeadLetterFile, NoDeadLetters, plan_file
from posthog_llm_cli.errors import ExitCode, LedgerError, PlhError
from posthog_llm_cli.formats import ranks
from posthog_llm_cli.ledger import Ledger, LedgerView, NoLedger, RunStart, files_of, view
from posthog_llm_cli.model import BuildOptions, ConvertOptions, Destination, HostLoad, ParseContext
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.report.json import render_json
from posthog_llm_cli.report.next_steps import CommandLine, next_steps
from posthog_llm_cli.report.terminal import problems, status_line, summary
from posthog_llm_cli.sources import Memory, Ranking, SourceReader
from posthog_llm_cli.transport import Deliverer, LimitNotice, Printer, Rehearsal, RetryNotice

if TYPE_CHECKING:
    from posthog_llm_cli.preview.figures import Forecast
    from posthog_llm_cli.preview.forecasting import ForecastFold

_MOST_SHOWN = 20
_SHOWN_REJECTIONS = {Mode.VALIDATE: None, Mode.PREVIEW: 3}

AnyLedger = Ledger | LedgerView | NoLedger


def send_run(specs: Sequence[str], settings: Settings, typed: CommandLine, *, now: datetime) -> int:
    """Run `plh send` in the mode that the settings name, and return its exit code.

    `typed` is the command as it may be typed again. Raises: ConfigError.
    """
    mode = Mode.DRY_RUN if settings.dry_run else Mode.MOCK if settings.mock else Mode.SEND
    if mode is Mode.SEND:
        require_key(settings)
    talk = Talk(sys.stderr, read_display(), quiet=settings.quiet)
    out = _report_stream(settings, mode)
    letters = plan_file(settings.dead_letter, now) if mode is Mode.SEND else NoDeadLetters()
    report = _new_report(settings, mode)
    with (
        _dated(settings, talk),
        Teller(talk, mode) as teller,
        closing(_ledger(settings, report, talk, now)) as ledger,
        closing(survey(specs, written=_written(settings, mode, letters.added_to))) as sources,
    ):
        if mode is Mode.SEND:
            _warn(settings, ledger, talk)
            confirm(settings, sources, talk, lambda: _look(sources, settings, now=now))
        ledger.begin()
        fold = _new_fold(settings, now=now) if mode is Mode.DRY_RUN else None
        _deliver(sources, settings, report, letters, ledger, talk, teller, now=now, onlooker=fold)
        _remember(ledger, report, letters, settings, talk)
    if fold is not None:
        _foretell(fold, settings, report, talk)
    return _finish(settings, report, letters, talk, typed, out)


def _look(sources: Survey, settings: Settings, *, now: datetime) -> "Forecast | None":
    from posthog_llm_cli.cli.lookahead import look_ahead  # noqa: PLC0415 - only where a person is asked

    return look_ahead(sources, settings, now=now)


def _new_fold(settings: Settings, *, now: datetime) -> "ForecastFold":
    from posthog_llm_cli.preview.forecasting import ForecastFold  # noqa: PLC0415 - for rehearsals only

    return ForecastFold(now=now, takes=Rehearsal(settings.endpoint).takes)


def _foretell(fold: "ForecastFold", settings: Settings, report: RunReport, talk: Talk) -> None:
    """Open a rehearsal's summary with what the send will do."""
    from posthog_llm_cli.cli.previews import rate_of  # noqa: PLC0415 - for rehearsals only
    from posthog_llm_cli.preview.forecast_text import forecast_lines  # noqa: PLC0415 - the same
    from posthog_llm_cli.preview.json import as_dict  # noqa: PLC0415 - the same

    rate = rate_of(settings, report, events=report.accepted)
    forecast = fold.forecast(rate, already_read=report.already_read.records)
    report.forecast = as_dict(forecast)
    if not settings.json:
        talk.say(*forecast_lines(forecast, talk.width))


def _deliver(  # noqa: PLR0913 - a neighbour each
    sources: Survey,
    settings: Settings,
    report: RunReport,
    letters: DeadLetterFile | NoDeadLetters,
    ledger: AnyLedger,
    talk: Talk,
    teller: Teller,
    *,
    now: datetime,
    onlooker: pipeline.Onlooker | None = None,
) -> None:
    """Run the pipeline; the report says what became of everything."""
    stop = pipeline.Stop()
    plan = plan_of(settings, report, now=now)
    reader = reader_of(
        sources.specs, settings, stop.should_stop, memory=None if isinstance(ledger, NoLedger) else ledger
    )
    retries = Retries()
    deliverer, loads = _deliverer(settings, report.mode, talk, retries)
    gauge = Gauge(total=sources.size, read_so_far=lambda: reader.raw_bytes_read, retries=retries, loads=loads)
    with (
        stop.installed(),
        closing(letters),
        closing(deliverer),
        _watched(settings, report, talk, gauge, teller, stop) as watcher,
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


def validate_run(specs: Sequence[str], settings: Settings, typed: CommandLine, *, now: datetime) -> int:
    """Run `plh validate`, and return its exit code. Raises: ConfigError."""
    talk = Talk(sys.stderr, read_display(), quiet=settings.quiet)
    out = _report_stream(settings, Mode.VALIDATE)
    report = _new_report(settings, Mode.VALIDATE)
    stop = pipeline.Stop()
    plan = plan_of(settings, report, now=now)
    with Teller(talk, Mode.VALIDATE) as teller, closing(survey(specs, written=())) as sources:
        reader = reader_of(sources.specs, settings, stop.should_stop)
        gauge = Gauge(total=sources.size, read_so_far=lambda: reader.raw_bytes_read)
        with stop.installed(), _watched(settings, report, talk, gauge, teller, stop) as watcher:
            pipeline.validate(reader, plan, report=report, observer=watcher, stop=stop)
    return _finish(settings, report, NoDeadLetters(), talk, typed, out)


def preview_run(
    specs: Sequence[str], settings: Settings, typed: CommandLine, *, now: datetime, html: Path | None = None
) -> int:
    """Run `plh preview`, and return its exit code; `html` is where a page goes. Raises: ConfigError, LedgerError."""
    from posthog_llm_cli.cli.pages import page_maker  # noqa: PLC0415 - for previews only
    from posthog_llm_cli.cli.previews import rate_of, show_preview  # noqa: PLC0415 - the same
    from posthog_llm_cli.preview.folding import PreviewFold  # noqa: PLC0415 - the same, and its sketches

    talk = Talk(sys.stderr, read_display(), quiet=settings.quiet)
    out = data_stream()
    report = _new_report(settings, Mode.PREVIEW)
    stop = pipeline.Stop()
    plan = plan_of(settings, report, now=now)
    with (
        Teller(talk, Mode.PREVIEW) as teller,
        page_maker(html, specs, talk) as page,
        closing(_ledger(settings, report, talk, now)) as ledger,
        closing(survey(specs, written=() if html is None else (html,))) as sources,
    ):
        fold = PreviewFold(now=now, takes=Rehearsal(settings.endpoint).takes, content=page)
        reader = reader_of(sources.specs, settings, stop.should_stop)
        gauge = Gauge(total=sources.size, read_so_far=lambda: reader.raw_bytes_read)
        with stop.installed(), _watched(settings, report, talk, gauge, teller, stop) as watcher:
            pipeline.validate(reader, plan, report=report, observer=watcher, stop=stop, ledger=ledger, onlooker=fold)
        rate = rate_of(settings, report, events=report.accepted + report.already_sent)
        preview = fold.preview(report, rate)
        if not settings.json:
            talk.say(*summary(report, every_warning=settings.verbose, width=talk.width))
        show_preview(preview, settings, exit_code=int(report.exit_code), out=out)
        if page is not None:
            page.write(preview, made_at=now, is_private=settings.privacy_mode)
    return _finish(settings, report, NoDeadLetters(), talk, typed, None)


# ------------------------------------------------------------------------------------------------ settings → objects


def _new_report(settings: Settings, mode: Mode) -> RunReport:
    run_id = uuid.uuid4().hex
    # Without --import-id a rehearsal stamps nothing: two of them print the same.
    import_id = settings.import_id if settings.import_id is not None or mode is not Mode.SEND else run_id
    return RunReport(run_id, mode, import_id=import_id)


def plan_of(settings: Settings, report: RunReport, *, now: datetime) -> pipeline.Plan:
    """Return how a run in the mode of `report` goes."""
    return pipeline.Plan(
        convert=_convert_options(settings, report, now=now),
        bounds=_bounds(settings, report.mode),
        historical=settings.historical_migration,
        concurrency=settings.concurrency if report.mode is Mode.SEND else 0,
        workers=settings.workers,
        limit=settings.limit,
        max_duration_s=settings.max_duration_s,
        max_record=settings.max_record,
    )


def _ledger(settings: Settings, report: RunReport, talk: Talk, now: datetime) -> AnyLedger:
    """Open the ledger as the mode needs it: a dry run only reads, `--mock` has none. Raises: LedgerError."""
    if settings.ledger is None or report.mode is Mode.MOCK:
        return NoLedger()
    start = RunStart(report.run_id, now, settings.distinct_id, settings=settings.reading_digest(), since=settings.since)
    if report.mode is not Mode.SEND:
        return view(settings.ledger, start)

    def tell(holder: str) -> None:
        talk.say(f"waiting for another run that holds the ledger: {holder}")

    return Ledger(settings.ledger, start, lock_wait_s=settings.lock_wait_s, on_wait=tell)


def _written(settings: Settings, mode: Mode, letters: Path | None) -> tuple[Path, ...]:
    """Return the files that the run writes, none of which can be a source."""
    ledger = files_of(settings.ledger) if settings.ledger is not None and mode is Mode.SEND else ()
    return (*ledger, *(() if letters is None else (letters,)))


def reader_of(
    specs: Iterable[str], settings: Settings, should_stop: Callable[[], bool], *, memory: Memory | None = None
) -> SourceReader:
    """Return what reads the sources, the richer formats first; with a `memory`, from where earlier runs left off."""
    ranking = Ranking(ranks.read_rank, ranks.head_rank, otherwise=ranks.OTHER_RANK)
    return SourceReader(
        specs,
        ranking=ranking,
        max_record=settings.max_record,
        should_stop=should_stop,
        memory=memory,
    )


def _bounds(settings: Settings, mode: Mode) -> Bounds:
    """Events are printed one by one: at once from a live pipe, and in the order of the records in every run."""
    return Bounds(1 if mode is Mode.MOCK else settings.chunk_events, settings.chunk_bytes)


def _convert_options(settings: Settings, report: RunReport, *, now: datetime) -> ConvertOptions:
    parse = ParseContext(
        run_started_at=now,
        timezone=settings.timezone,
        default_time=settings.default_time,
        metadata_only=settings.metadata_only,
    )
    key = settings.api_key if settings.api_key is not None else ""
    build = BuildOptions(
        destination=None if settings.record_keys_only else Destination(settings.host, key),
        default_host=settings.host,
        run_started_at=now,
        allowed_hosts=frozenset(settings.allow_host),
        distinct_id=settings.distinct_id,
        properties=settings.properties,
        privacy_mode=settings.privacy_mode,
        media=settings.media,
        import_id=report.import_id,
        endpoint=settings.endpoint,
    )
    return ConvertOptions(
        parse=parse,
        build=build,
        format=settings.format,
        since=settings.since,
        until=settings.until,
        shard=settings.shard,
        coverage=report.mode in (Mode.VALIDATE, Mode.PREVIEW),
        glance=report.mode in (Mode.PREVIEW, Mode.DRY_RUN),
    )


def _deliverer(
    settings: Settings, mode: Mode, talk: Talk, retries: Retries
) -> tuple[Deliverer, Callable[[], Sequence[HostLoad]]]:
    """Return what delivers, and what tells how its hosts do."""
    if mode is Mode.MOCK:
        return Printer(data_stream()), tuple
    if mode is not Mode.SEND:
        return Rehearsal(settings.endpoint), tuple
    from posthog_llm_cli.transport import Capture, new_client  # noqa: PLC0415 - httpx, for sending only

    def tell(notice: RetryNotice) -> None:
        retries.add(notice)
        if settings.verbose:
            talk.say(f"retry {notice.attempt} of {notice.max_retries} in {notice.wait_s:.1f} s: {notice.reason}")

    def tell_limit(notice: LimitNotice) -> None:
        talk.say(f"{notice.host} gets {notice.limit} of {notice.ceiling} requests at once: {notice.reason}")

    capture = Capture(
        new_client(timeout_s=settings.timeout_s),
        endpoint=settings.endpoint,
        max_retries=settings.max_retries,
        concurrency=settings.concurrency,
        rate_limit=settings.rate_limit,
        on_retry=tell,
        on_limit=tell_limit if settings.verbose else None,
    )
    return capture, capture.loads


# -------------------------------------------------------------------------------------------------- what people see


@contextmanager
def _watched(
    settings: Settings, report: RunReport, talk: Talk, gauge: Gauge, teller: Teller, stop: pipeline.Stop
) -> Iterator[Watcher]:
    """Show how the run goes, and at its end what was not shown."""
    has_bar = talk.moves_cursor and not settings.quiet and not _prints_there(report.mode)
    shown: AbstractContextManager[None] = bar(talk, gauge) if has_bar else nullcontext()
    cleaning: AbstractContextManager[None] = stop.at_once(show_cursor) if has_bar else nullcontext()
    most = _SHOWN_REJECTIONS.get(report.mode, _MOST_SHOWN)
    with cleaning, shown, teller.of(gauge, is_regular=not has_bar):
        watcher = Watcher(talk, gauge, most=most, routes=settings.verbose)
        yield watcher
        watcher.finish()


@contextmanager
def _dated(settings: Settings, talk: Talk) -> Iterator[None]:
    """Say when a quiet run ended before its end: cron's mails and logs that are added to have no other time."""
    try:
        yield
    except PlhError:
        if settings.quiet:
            talk.note(_now_and("send: ended early"))
        raise


def _now_and(line: str) -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}"


def _prints_there(mode: Mode) -> bool:
    """Whether events go to a terminal, where a bar would stand in their way."""
    return mode is Mode.MOCK and sys.stdout is not None and sys.stdout.isatty()


def _warn(settings: Settings, ledger: AnyLedger, talk: Talk) -> None:
    """Say before anything is sent what may be wrong; on the legacy routes a typo in a key looks like success."""
    if ledger.warning is not None:
        talk.say(f"warning: {ledger.warning}")
    if settings.api_key is not None and not settings.api_key.startswith("phc_"):
        talk.say(f"warning: the key {settings.masked_key} does not begin with phc_, as project keys do [odd-api-key]")


def _report_stream(settings: Settings, mode: Mode) -> BinaryIO | None:
    """Return where the report of `--json` goes, None where there is none; with `--mock` stdout is events."""
    if not settings.json:
        return None
    return talk_stream() if mode is Mode.MOCK else data_stream()


def _remember(
    ledger: AnyLedger, report: RunReport, letters: DeadLetterFile | NoDeadLetters, settings: Settings, talk: Talk
) -> None:
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
    if ledger.other_distinct_id and not settings.json:
        talk.say(
            f"warning: {ledger.other_distinct_id:,} of the calls already sent went out under another --distinct-id; "
            "they are not sent again, for under the id of now they would be second events"
        )


def _finish(
    settings: Settings,
    report: RunReport,
    letters: DeadLetterFile | NoDeadLetters,
    talk: Talk,
    typed: CommandLine,
    out: BinaryIO | None,
) -> int:
    """Print the report, and return the exit code."""
    if settings.quiet and report.exit_code is not ExitCode.OK:
        talk.note(_now_and(f"{report.mode.value}: exit {report.exit_code}, {status_line(report)}"))
    if not settings.json and report.mode is not Mode.PREVIEW:
        talk.say(*summary(report, every_warning=settings.verbose, width=talk.width))
    for problem in problems(report):
        talk.error(problem.message, problem.hint)
    if letters.failure is not None:
        kept = "still in the sources, and not in the dead-letter file: send them again when it can be written"
        talk.error(letters.failure.message, f"{letters.unwritten:,} rejected records are {kept}")
    _tell_steps(settings, report, talk, typed)
    if settings.json and report.mode is not Mode.PREVIEW:
        print_data(render_json(report), out)
    return int(report.exit_code)


def _tell_steps(settings: Settings, report: RunReport, talk: Talk, typed: CommandLine) -> None:
    """Say what to run next; whoever wants the report as JSON only where something went wrong."""
    if settings.json and report.exit_code is ExitCode.OK:
        return
    for step in next_steps(report, typed, keeps_ledger=settings.ledger is not None):
        talk.say(f"next: {step.why}", *(() if step.command is None else (f"  {step.command}",)))
