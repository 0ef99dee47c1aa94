"""The objects of a run, made from its settings."""

import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from posthog_llm_cli import pipeline
from posthog_llm_cli.chunking import Bounds
from posthog_llm_cli.cli.progress import Retries
from posthog_llm_cli.cli.talk import Talk, data_stream
from posthog_llm_cli.config.settings import Settings
from posthog_llm_cli.formats import ranks
from posthog_llm_cli.ledger import Ledger, LedgerView, NoLedger, RunStart, files_of, view
from posthog_llm_cli.model import BuildOptions, ConvertOptions, Destination, HostLoad, ParseContext
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.sources import Memory, Ranking, SourceReader
from posthog_llm_cli.transport import Deferred, Deliverer, LimitNotice, Printer, Rehearsal, RetryNotice

if TYPE_CHECKING:
    from posthog_llm_cli.transport import Capture

AnyLedger = Ledger | LedgerView | NoLedger

_PROXIES = frozenset({"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"})


def new_report(settings: Settings, mode: Mode) -> RunReport:
    """Return the report of a run that begins, with its id."""
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
        late_s=settings.timeout_s,
        max_record=settings.max_record,
    )


def open_ledger(settings: Settings, report: RunReport, talk: Talk, *, now: datetime) -> AnyLedger:
    """Open the ledger as the mode needs it: a dry run only reads, `--mock` has none. Raises: LedgerError."""
    if settings.ledger is None or report.mode is Mode.MOCK:
        return NoLedger()
    start = RunStart(report.run_id, now, settings.distinct_id, settings=settings.reading_digest(), since=settings.since)
    if report.mode is not Mode.SEND:
        return view(settings.ledger, start)

    def tell(holder: str) -> None:
        talk.say(f"waiting for another run that holds the ledger: {holder}")

    return Ledger(settings.ledger, start, lock_wait_s=settings.lock_wait_s, on_wait=tell)


def files_written(settings: Settings, mode: Mode, letters: Path | None) -> tuple[Path, ...]:
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


def new_deliverer(
    settings: Settings, mode: Mode, talk: Talk, retries: Retries
) -> tuple[Deliverer, Callable[[], Sequence[HostLoad]]]:
    """Return what delivers, and what tells how its hosts do."""
    if mode is Mode.MOCK:
        return Printer(data_stream()), tuple
    if mode is not Mode.SEND:
        return Rehearsal(settings.endpoint), tuple
    deferred = Deferred(lambda: _capture(settings, talk, retries))
    if _may_be_wrong(os.environ):
        deferred.make()
    return deferred, deferred.loads


def _may_be_wrong(environment: Mapping[str, str]) -> bool:
    """Whether what the client reads of the environment has to be tried, so that a fault is told before all else."""
    if not _PROXIES.isdisjoint(name.upper() for name, value in environment.items() if value):
        return True
    places = (environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR"))
    return any(place and not os.access(place, os.R_OK) for place in places)


def _capture(settings: Settings, talk: Talk, retries: Retries) -> "Capture":
    from posthog_llm_cli.transport import Capture, new_client  # noqa: PLC0415 - httpx, for sending only

    def tell(notice: RetryNotice) -> None:
        retries.add(notice)
        if settings.verbose:
            talk.say(f"retry {notice.attempt} of {notice.max_retries} in {notice.wait_s:.1f} s: {notice.reason}")

    def tell_limit(notice: LimitNotice) -> None:
        talk.say(f"{notice.host} gets {notice.limit} of {notice.ceiling} requests at once: {notice.reason}")

    return Capture(
        new_client(timeout_s=settings.timeout_s),
        endpoint=settings.endpoint,
        max_retries=settings.max_retries,
        concurrency=settings.concurrency,
        rate_limit=settings.rate_limit,
        on_retry=tell,
        on_limit=tell_limit if settings.verbose else None,
    )
